"""uvicorn's HTTP protocol with our limits. The only place that reaches into uvicorn's private parts:
``tests/services/test_http_protocol.py`` says which, and fails when a release of uvicorn changes one.

Bodies are taken in large blocks: uvicorn wakes the application for every read of the socket (64 KB at most) and stops
reading meanwhile. For a body of gigabytes that is most of the work, so here the application is woken when there is a
block, or all of it. What was read is kept as it came and joined once.

What cannot be taken is answered with a problem like any other, after the answers to the requests before it. Then the
connection is only read from, for a moment: closed at once, it would be reset, and the client would not see the answer.

Time is not measured by a timer of each connection, which would be set and cancelled at each request, but looked at once
a second for all of them (connections.py).
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

import httptools
from starlette.responses import Response
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from treering.kernel.clock import monotonic_seconds
from treering.kernel.refusal import Refused
from treering_services.gateway.http.bodies import is_large
from treering_services.gateway.http.framing import Framing
from treering_services.gateway.http.gathered import Gathered
from treering_services.gateway.http.joined_writes import JoinedWrites
from treering_services.gateway.http.peer import PEER, Peer
from treering_services.gateway.http.rules import check_header, malformed
from treering_services.gateway.problem import problem

if TYPE_CHECKING:
    from treering_services.gateway.http.connections import Connections

BLOCK_BYTES = 1024 * 1024  # of these up to three are in memory for each upload under way


class Stage(Enum):
    """How much of the newest request has come."""

    NOTHING = 0
    HEADER = 1
    BODY = 2
    WHOLE = 3


HEADER, BODY, WHOLE = Stage.HEADER, Stage.BODY, Stage.WHOLE  # to look one up in an Enum costs as much as a call


class LimitedProtocol(HttpToolsProtocol):
    """One connection. ``since``: when its stage began, or its last answer ended (seconds of the monotonic clock)."""

    def __init__(
        self, connections: Connections, config: Config, server_state: ServerState, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(config=config, server_state=server_state, app_state={}, _loop=loop)
        self.all = connections
        self.peer = Peer()
        self.app_state = {PEER: self.peer}
        self.stage = Stage.NOTHING
        self.since = monotonic_seconds()
        self.served = False
        self.framing = Framing(connections.limits)
        self.refusal: Response | None = None
        self.leaving = False
        self.unread_bytes = 0
        self.window_at = 0.0
        self.window_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = JoinedWrites(transport, self.loop)
        self.peer.address = self.client[0] if self.client else ""
        self.all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.all.remove(self)
        super().connection_lost(exc)
        self.peer.leave()

    def data_received(self, data: bytes) -> None:
        if self.refusal is not None:
            self.pass_over(len(data))
            return
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
            self.framing.read(len(data), in_header=self.stage is HEADER)
        except httptools.HttpParserUpgrade:
            pass  # on_headers_complete has seen to it
        except httptools.HttpParserError as error:
            cause = error.__context__  # what a callback raised
            self.refuse(cause if isinstance(cause, Refused) else malformed(str(error)))
        except Refused as refused:
            self.refuse(refused)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.framing.begin()
        self.stage, self.since = HEADER, monotonic_seconds()

    def on_url(self, url: bytes) -> None:
        self.framing.target(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the header; those of a trailer are counted and dropped (RFC 9110, 6.5.1)."""
        self.framing.field(len(name) + len(value))
        if self.stage is HEADER:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        upgrade = self.parser.should_upgrade()
        named = check_header(self.parser.get_http_version(), self.url, self.headers, upgrade=upgrade)
        if len(self.pipeline) >= (most := self.all.limits.pipelined_max):
            why = f"more than {most} requests were sent before the first of them was answered"
            raise Refused("request.pipelined", f"{why}; wait for answers, or open more connections")
        super().on_headers_complete()
        if upgrade:  # to nothing we have; the parser would take what follows for a new request
            self.cycle.keep_alive = False
        if is_large(named):  # until the application asks for it: what waits is not read
            self.flow.pause_reading()
        self.framing.end()
        self.stage, self.window_bytes, self.unread_bytes, self.peer.sending = BODY, 0, 0, True
        self.window_at = self.since = monotonic_seconds()

    def on_body(self, body: bytes) -> None:
        """The parser has found more of the body."""
        self.window_bytes += len(body)
        self.framing.payload_bytes += len(body)
        cycle = self.cycle
        if cycle.response_complete:
            self.pass_over(len(body))
            return
        if not cycle.body:
            cycle.body = cast(bytearray, Gathered())
        cycle.body += body
        if len(cycle.body) >= BLOCK_BYTES:
            self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.framing.end()
        self.stage, self.peer.sending = WHOLE, False

    def on_response_complete(self) -> None:
        last = not self.pipeline
        super().on_response_complete()
        self.served, self.since = True, monotonic_seconds()
        if last and self.refusal is not None:
            self.leave(self.refusal)

    def pass_over(self, size: int) -> None:
        """Bytes that nobody wants: some are taken, so that the client comes to read its answer."""
        self.unread_bytes += size
        if self.unread_bytes > self.all.limits.unread_bytes_max:
            self.transport.abort()

    @property
    def answering(self) -> bool:
        """A request is with the application."""
        return not self.leaving and self.cycle is not None and not self.cycle.response_complete

    @property
    def idle(self) -> bool:
        """Nothing is lost when it is closed."""
        return not self.answering

    def look(self, now: float) -> None:
        """Close the connection, or tell the application, when it has taken too long; once a second."""
        limits = self.all.limits
        if self.answering:
            if self.stage is BODY and self.refusal is None:
                self.look_at_body(now)
        elif self.leaving or self.stage is BODY:
            if now - self.since > limits.linger_seconds:
                self.transport.abort()
        elif self.stage is HEADER:
            if now - self.since > limits.header_seconds:
                self.turn_away("request.timeout", f"the header was not complete after {limits.header_seconds:g} s")
        elif now - self.since > (limits.idle_seconds if self.served else limits.header_seconds):
            self.transport.close()

    def look_at_body(self, now: float) -> None:
        """A body that comes too slowly: the application says so, or is not waited for any more."""
        limits = self.all.limits
        if self.peer.slow:
            if now - self.window_at > limits.linger_seconds:
                self.transport.abort()
        elif self.flow.read_paused or self.cycle.waiting_for_100_continue:
            self.window_at, self.window_bytes = now, 0
        elif now - self.window_at > limits.body_window_seconds:
            self.peer.slow = self.window_bytes < limits.body_window_bytes
            self.window_at, self.window_bytes = now, 0
            if self.peer.slow:
                self.cycle.message_event.set()

    def refuse(self, refused: Refused) -> None:
        """Answer the newest request without the application, when those before it are answered, and close."""
        self.refusal = problem(refused.code, refused.detail, {"connection": "close"})
        if self.stage is not BODY:
            if not self.answering:
                self.leave(self.refusal)
        elif self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()
        elif not self.cycle.response_started:
            self.leave(self.refusal)
        elif self.cycle.response_complete:  # a second answer would be taken for that of the next request
            self.leave()
        else:
            self.transport.close()

    def leave(self, refusal: Response | None = None) -> None:
        """Say it, tell the application that nobody is there, and read on for ``linger_seconds`` at most."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self.transport.is_closing():
            self.leaving, self.since, self.unread_bytes = True, monotonic_seconds(), 0
            if refusal is not None:
                self.transport.write(raw(refusal))
            self.transport.write_eof()
            self.flow.resume_reading()

    def turn_away(self, code: str, detail: str) -> None:
        """Answer without the application, and close."""
        if not self.transport.is_closing():
            self.transport.write(raw(problem(code, detail, {"connection": "close"})))
            self.transport.close()


def raw(response: Response) -> bytes:
    """A response as it goes over the wire."""
    lines: list[Any] = [STATUS_LINE[response.status_code]]
    lines += [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
    return b"".join([*lines, b"\r\n", bytes(response.body)])
