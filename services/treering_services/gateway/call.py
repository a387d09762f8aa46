"""One request as the handlers see it: who asks, what, and the bounded ways to read its body."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope

from treering.kernel.clock import new_id, new_traceparent, now
from treering.kernel.command import Context
from treering.kernel.decoding import decode_once, with_given
from treering.kernel.known_forms import is_known
from treering.kernel.log import encoder
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import REQUEST_BYTES_MAX
from treering.kernel.subjects import checked_name
from treering.kernel.url_secrets import secret_in
from treering_services.gateway.http.bodies import is_large
from treering_services.gateway.http.limits import Limits
from treering_services.gateway.http.peer import peer_of
from treering_services.gateway.http.shares import Share
from treering_services.gateway.media import check_encoding, media_type_of
from treering_services.gateway.mount import WORKSPACE

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway

T = TypeVar("T")
JSON = "application/json"
BODY_BYTES_MAX = REQUEST_BYTES_MAX  # as over NATS, where a program from outside sends messages of at most 1 MiB
QUERY_FIELDS_MAX = 32
KEY_CHARACTERS_MAX = 255
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Caller(Struct, frozen=True):
    """Whose request it is. A job's token names its job and attempt, a node's its node. ``via`` is the job that acts
    with the rights of ``actor``, its submitter; "" for a job that has rights of its own."""

    policy: str  # "owner", "job", "node", "join" or "subscriber"
    actor: str  # what is written into the log
    workspace: str = ""
    name: str = ""
    attempt: int = 0
    via: str = ""

    @property
    def is_bounded(self) -> bool:
        """Whether it changes only what it made itself."""
        return self.policy == "job" and not self.via

    @property
    def key(self) -> str:
        """Whose share of the connections it uses: one of the owner, of each job, node and subscriber."""
        return f"{self.policy}:{self.workspace}:{self.name}" if self.policy else ""


NOBODY = Caller("", "")


class Call:
    """A request under way. ``params`` are the decoded parts of the path. ``may_write`` False: the caller changes only
    what it made itself, and nobody has looked yet whether it made this (ownership.py); until then no command of it
    can be written."""

    __slots__ = (
        "asked_trace", "caller", "gateway", "headers", "held", "may_write", "params", "peer", "receive", "scope",
        "trace",
    )  # fmt: skip

    def __init__(self, gateway: Gateway, scope: Scope, receive: Receive) -> None:
        self.gateway = gateway
        self.scope = scope
        self.receive = receive
        self.params: Mapping[str, str] = scope.get("path_params", {})
        if WORKSPACE in scope:
            self.params = {**self.params, "ws": scope[WORKSPACE]}
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.caller = NOBODY
        self.may_write = True
        self.peer = peer_of(scope)
        self.held: list[tuple[Share, str]] = []
        trace = self.header(b"traceparent")
        self.asked_trace = trace if TRACEPARENT.fullmatch(trace) else ""
        self.trace = self.asked_trace or new_traceparent()

    def header(self, name: bytes) -> str:
        """The header ``name`` (in lower case), "" when it is absent."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def workspace(self) -> str:
        return checked_name(self.params["ws"], "workspace")

    def query(self, type: type[T]) -> T:
        """The query string as ``type``; ``Refused("request.query")`` for a field it does not have, or has twice."""
        text = self.scope["query_string"].decode("latin-1")
        fields: dict[str, str] = {}
        try:
            fields = said_once(
                parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX, errors="strict")
            )
            return msgspec.convert(fields, type, strict=False)
        except ValueError as error:  # msgspec's ValidationError is one
            why = with_given(str(error), msgspec.json.encode(fields))
            raise Refused("request.query", f"the query string: {why}") from None

    def command_id(self) -> str:
        """``Idempotency-Key`` in the name space of whoever sends it; a new id without one."""
        key = self.header(b"idempotency-key")
        if not key:
            return new_id()
        if not IDEMPOTENCY_KEY.fullmatch(key):
            why = f"Idempotency-Key has {len(key)} characters; it needs 1 to 255, all of them visible and ASCII"
            raise Refused("request.idempotency_key", why)
        if (what := secret_in(key)) or is_known(key):
            where = f"a secret in an address ({what})" if what else "a key or token"
            why = f"Idempotency-Key has {where} in it, which would stay in the record; take another"
            raise Refused("request.idempotency_key", why)
        return f"{self.caller.via or self.caller.actor}:{key}"

    def context(self, command_id: str = "", *, cause: str = "", trace: str = "") -> Context:
        """Of a command of this request; ``Refused("auth.forbidden")`` while it is not known that it may write."""
        if not self.may_write:
            raise Refused("auth.forbidden", f"the token of job {self.caller.name!r} may not change this")
        caller, id = self.caller, command_id or self.command_id()
        return Context(id, now(), caller.actor, cause, trace or self.trace, caller.via)

    async def chunks(self, bytes_max: int) -> AsyncIterator[bytes]:
        """The body as it comes, at most ``bytes_max`` of it; ClientDisconnect when the client goes away."""
        check_encoding(self.header(b"content-encoding"))
        announced = self.header(b"content-length")
        if announced.isdecimal() and int(announced) > bytes_max:
            raise too_large(bytes_max)
        received, more = 0, True
        if self.peer.sending:  # an upload: it counts as one until it is answered
            self.hold(self.gateway.uploads, self.caller.key)
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk, more = message.get("body", b""), message.get("more_body", False)
            if more and self.peer.slow:
                raise too_slow(self.gateway.limits)
            received += len(chunk)
            if received > bytes_max:
                raise too_large(bytes_max)
            if chunk:
                yield chunk

    def hold(self, share: Share, key: str) -> None:
        """Take one of ``share`` for the caller with this key until ``let_go``; ``Refused``: ``caller.busy``,
        ``service.busy``."""
        share.take(key)
        self.held.append((share, key))

    def let_go(self) -> None:
        """The request is answered, or its client is gone."""
        for share, key in self.held:
            share.give_back(key)
        self.held.clear()

    async def whole(self, bytes_max: int) -> bytes:
        """The body, when it is its caller's turn."""
        if is_large(self.headers):
            async with self.gateway.bodies.coming_in(self.peer):
                return await self.gathered(bytes_max)
        return await self.gathered(bytes_max)

    async def gathered(self, bytes_max: int) -> bytes:
        data = b"".join([chunk async for chunk in self.chunks(bytes_max)])
        await self.gateway.bodies.turn(self.peer, len(data))
        return data

    async def body(self, *media_types: str) -> bytes:
        """The whole body, of one of ``media_types`` (JSON if none is given); an empty one may be of any."""
        data = await self.whole(BODY_BYTES_MAX)
        said = media_type_of(self.header(b"content-type"))
        wanted = media_types or (JSON,)
        if data and said not in wanted:
            raise Refused("request.media_type", f"Content-Type must be {' or '.join(wanted)}")
        return data

    async def json(self, type: type[T]) -> T:
        """The body as ``type``, no name twice in an object; an empty body is an empty object."""
        return decode_once(await self.body() or b"{}", type)


def said_once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The fields of a query string. ValueError for one that is said twice: the other value would be dropped."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:80]!r} is said twice; several values of one field have commas between them")
    return fields


def too_large(bytes_max: int) -> Refused:
    return Refused(
        "request.too_large", f"the body is larger than {bytes_max} bytes, the most that is read; send less at once"
    )


def too_slow(limits: Limits) -> Refused:
    least = f"it must bring {limits.body_window_bytes} bytes in each {limits.body_window_seconds:g} s"
    return Refused("request.timeout", f"the body came too slowly: {least}")


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``value`` as JSON; bytes are taken to be JSON already."""
    body = value if isinstance(value, bytes) else encoder.encode(value)
    return Response(body, status, headers=headers, media_type=JSON)


def written_headers(position: int) -> dict[str, str]:
    """What a client asks for as ``?after=`` to see what it has just written."""
    return {"treering-position": str(position)}
