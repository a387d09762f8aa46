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
from treering.kernel.decoding import decode
from treering.kernel.log import encoder
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name
from treering_services.gateway.mount import WORKSPACE

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway

T = TypeVar("T")
JSON = "application/json"
BODY_BYTES_MAX = 900 * 1024  # a command travels in one NATS message of at most 1 MiB
QUERY_FIELDS_MAX = 32
KEY_CHARACTERS_MAX = 255
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Caller(Struct, frozen=True):
    """Whose request it is. A job's token names its job and attempt, a node's its node."""

    policy: str  # "owner", "job", "node", "join" or "subscriber"
    actor: str  # what is written into the log
    workspace: str = ""
    name: str = ""
    attempt: int = 0


NOBODY = Caller("", "")


class Call:
    """A request under way. ``params`` are the decoded parts of the path."""

    __slots__ = ("asked_trace", "caller", "gateway", "headers", "params", "receive", "scope", "trace")

    def __init__(self, gateway: Gateway, scope: Scope, receive: Receive) -> None:
        self.gateway = gateway
        self.scope = scope
        self.receive = receive
        self.params: Mapping[str, str] = scope.get("path_params", {})
        if WORKSPACE in scope:
            self.params = {**self.params, "ws": scope[WORKSPACE]}
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.caller = NOBODY
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
        """The query string as ``type``; ``Refused("request.query")`` for a field it does not have."""
        text = self.scope["query_string"].decode("latin-1")
        try:
            fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX))
            return msgspec.convert(fields, type, strict=False)
        except ValueError as error:  # msgspec's ValidationError is one
            raise Refused("request.query", f"the query string: {error}") from None

    def command_id(self) -> str:
        """``Idempotency-Key`` in the name space of the actor; a new id without one."""
        key = self.header(b"idempotency-key")
        if not key:
            return new_id()
        if not IDEMPOTENCY_KEY.fullmatch(key):
            raise Refused("request.idempotency_key", "Idempotency-Key needs 1 to 255 visible ASCII characters")
        return f"{self.caller.actor}:{key}"

    def context(self, command_id: str = "", *, cause: str = "", trace: str = "") -> Context:
        return Context(command_id or self.command_id(), now(), self.caller.actor, cause, trace or self.trace)

    async def chunks(self, bytes_max: int) -> AsyncIterator[bytes]:
        """The body as it comes, at most ``bytes_max`` of it; ClientDisconnect when the client goes away."""
        announced = self.header(b"content-length")
        if announced.isdecimal() and int(announced) > bytes_max:
            raise too_large(bytes_max)
        received, more = 0, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk, more = message.get("body", b""), message.get("more_body", False)
            received += len(chunk)
            if received > bytes_max:
                raise too_large(bytes_max)
            if chunk:
                yield chunk

    async def body(self, *media_types: str) -> bytes:
        """The whole body, of one of ``media_types`` (JSON if none is given); an empty one may be of any."""
        data = b"".join([chunk async for chunk in self.chunks(BODY_BYTES_MAX)])
        said = self.header(b"content-type").partition(";")[0].strip().lower()
        wanted = media_types or (JSON,)
        if data and said not in wanted:
            raise Refused("request.media_type", f"Content-Type must be {' or '.join(wanted)}")
        return data

    async def json(self, type: type[T]) -> T:
        """The body as ``type``; an empty body is an empty object."""
        return decode(await self.body() or b"{}", type)


def too_large(bytes_max: int) -> Refused:
    return Refused("request.too_large", f"the body is larger than {bytes_max} bytes")


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``value`` as JSON; bytes are taken to be JSON already."""
    body = value if isinstance(value, bytes) else encoder.encode(value)
    return Response(body, status, headers=headers, media_type=JSON)


def written_headers(position: int) -> dict[str, str]:
    """What a client asks for as ``?after=`` to see what it has just written."""
    return {"treering-position": str(position)}
