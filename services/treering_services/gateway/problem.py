"""Every answer that is not a success: RFC 9457 problem+json, with the stable code of the refusal."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from msgspec import Struct
from starlette.responses import Response

from treering.adapters.descriptors import out_of_descriptors
from treering.kernel.disk import NO_DESCRIPTOR_LEFT, refusal_of
from treering.kernel.log import Conflict, LogDamaged, LogFull, LogUnavailable, encoder
from treering.kernel.refusal import Refused

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
SERVER_ERROR = 500  # and above: nothing about the request, so it may be said again
STATUSES: Mapping[str, int] = {
    "auth.required": 401,
    "auth.ticket": 401,
    "auth.forbidden": 403,
    "command.forbidden": 403,
    "environment.index_forbidden": 403,
    "position.other_log": 410,
    "event.source_forbidden": 403,
    "event.type_forbidden": 403,
    "host.forbidden": 403,
    "origin.forbidden": 403,
    "kind.unknown": 404,
    "route.unknown": 404,
    "route.method": 405,
    "commit.too_large": 413,
    "request.timeout": 408,
    "request.too_large": 413,
    "request.target_too_long": 414,
    "request.media_type": 415,
    "request.content_encoding": 415,
    "blob.range": 416,
    "caller.busy": 429,
    "request.header_too_large": 431,
    "request.transfer_encoding": 501,
    "log.unavailable": 503,
    "service.busy": 503,
    "view.behind": 503,
    "view.incomplete": 503,
    "view.damaged": 503,
    "resource.incomplete": 409,
    "model.earlier": 409,
    "service.failed": 500,
    "log.damaged": 500,
    "blob.damaged": 500,  # not 503: asking again does not help, somebody has to put it back
    "upload.part_damaged": 500,
    "secret.damaged": 500,  # what this server keeps, and nothing that was asked
    "secret.missing": 409,
    "secret.forbidden": 400,
    "webhook.secret_missing": 409,
    "webhook.address_missing": 409,
    "disk.failed": 500,
    "disk.full": 507,
    "disk.read_only": 507,
    "log.full": 507,
}
# The last word of a code that says: what you ask is well-formed, and the state of the resource is against it.
CONFLICTS = frozenset(
    {"exists", "stale_attempt", "not_queued", "not_finished", "not_started", "not_canceled", "cancel_requested",
     "superseded", "fenced", "changed", "not_active", "too_many", "conflict"}
)  # fmt: skip


class Problem(Struct, frozen=True):
    """``type`` is always about:blank (RFC 9457, 4.2.1): programs decide by ``code``, people read ``detail``.

    With ``position.other_log`` there are ``epoch`` and ``head`` of the log as it is, and ``common``, the last position
    at which it agrees with the one that was asked about.
    """

    title: str
    status: int
    detail: str
    code: str
    type: str = "about:blank"


def status_of(code: str) -> int:
    """The HTTP status of a refusal's code; 400 for those nobody named."""
    if code in STATUSES:
        return STATUSES[code]
    reason = code.rpartition(".")[2]
    if reason == "absent":
        return 404
    if reason in CONFLICTS:
        return 409
    return 403 if reason == "forbidden" else 400


def problem(
    code: str, detail: str, headers: Mapping[str, str] | None = None, members: Mapping[str, str | int] = {}
) -> Response:
    """``members`` stand beside those of ``Problem`` (RFC 9457, 3.2)."""
    status = status_of(code)
    more = dict(headers or {})
    if status in (429, 503):
        more["retry-after"] = str(RETRY_AFTER_SECONDS)
    if status == 408:  # the rest of what was too slow is not waited for
        more["connection"] = "close"
    if status == 401:
        more["www-authenticate"] = 'Bearer realm="treering"'
    said = msgspec.structs.asdict(Problem(HTTPStatus(status).phrase, status, detail, code))
    body = encoder.encode({**said, **members})
    return Response(body, status, headers=more, media_type=MEDIA_TYPE)


def problem_of(error: Exception) -> Response | None:
    """The answer to an exception that is part of the contract; None for one that nobody expected."""
    match error:
        case Refused():
            return problem(error.code, error.detail, members=error.more)
        case LogFull():
            return problem("log.full", str(error))
        case LogUnavailable() | Conflict() | LogDamaged():
            return problem("log.unavailable", str(error))
        case _ if out_of_descriptors(error):
            return problem("service.busy", NO_DESCRIPTOR_LEFT)
        case _:
            refused = refusal_of(error)
            return None if refused is None else problem(refused.code, refused.detail)
