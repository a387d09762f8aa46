"""POST to foreign addresses: bounded in time and bytes, no redirect followed, connections kept open.

An answer is judged by its status; of a body no more is read than a connection is worth keeping open for.

httptools (which the HTTP server brings along) parses the answers. docs/adr/0008-webhooks.md says why.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

from treering.adapters.egress import Egress
from treering.kernel.clock import monotonic_seconds
from treering.kernel.refusal import Refused

CONNECT_SECONDS = 5.0
ANSWER_BYTES_MAX = 64 * 1024
KEPT_BYTES_MAX = 4096  # of the body of an answer
IDLE_SECONDS = 20.0
IDLE_MAX = 32
RESOLVED_SECONDS = 30.0
AGENT = "treering"


class Answered(NamedTuple):
    """``status`` 0: there was no answer, and ``why`` says so. ``body`` is how the body of the answer began."""

    status: int
    why: str = ""
    body: bytes = b""


class Exchange(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[Answered] | None = None
        self.open = False
        self.used_at = monotonic_seconds()
        self.reset()

    def reset(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.received = 0
        self.kept = bytearray()
        self.headed = False  # the head of the answer is complete
        self.delimited = False  # it says where its body ends; else the end of the connection does (RFC 9112, 6.3)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.open = True

    def send(self, request: bytes) -> asyncio.Future[Answered]:
        assert self.transport is not None
        self.reset()
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.fail("the answer is not HTTP")
        if self.received > ANSWER_BYTES_MAX:
            self.finish(self.so_far(f"the head of the answer has more than {ANSWER_BYTES_MAX} bytes"))
            self.close()

    def so_far(self, why: str) -> Answered:
        """What is known of an answer that nobody waits for any longer: its status, or ``why`` it is none.

        An answer that was judged stays so. On a busy machine the time may be up in the turn of the loop that brought
        it, and one that broke off behind its head must not count as taken then.
        """
        if self.answer is not None and self.answer.done() and not self.answer.cancelled():
            return self.answer.result()
        if self.headed:
            return Answered(self.parser.get_status_code(), body=bytes(self.kept))
        return Answered(0, why)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self.delimited = True

    def on_headers_complete(self) -> None:
        self.headed = self.parser.get_status_code() >= 200

    def on_body(self, body: bytes) -> None:
        self.kept += body[: KEPT_BYTES_MAX - len(self.kept)]

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        if status < 200:  # 100 Continue and the like: the answer is still to come
            return
        keep = self.parser.should_keep_alive()
        self.finish(Answered(status, body=bytes(self.kept)))
        if not keep:
            self.close()

    def eof_received(self) -> None:
        if self.headed and not self.delimited:
            self.finish(self.so_far(""))
            self.close()
            return
        self.fail("the connection was closed before the answer was complete")

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self.fail(f"the connection was lost: {error or 'closed by the other side'}")

    def fail(self, why: str) -> None:
        self.finish(Answered(0, why))
        self.close()

    def finish(self, answered: Answered) -> None:
        self.used_at = monotonic_seconds()
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(answered)

    def close(self) -> None:
        self.open = False
        if self.transport is not None:
            self.transport.abort()


class Poster:
    """Posts to one URL. ``close`` it in the end."""

    def __init__(self, url: str, egress: Egress) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.secure = parts.scheme == "https"
        self.port = parts.port or (443 if self.secure else 80)
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.netloc = parts.netloc
        self.egress = egress
        self.resolving = asyncio.Lock()
        self.resolved: tuple[float, list[str]] = (0.0, [])
        self.idle: deque[Exchange] = deque()
        self.closed = False

    async def post(self, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> Answered:
        """The answer's status, or why there is none. Raises nothing but cancellation."""
        exchange: Exchange | None = None
        try:
            async with asyncio.timeout(timeout_seconds):
                exchange = self.kept() or await self.connected()
                answered = await exchange.send(self.request(body, headers))
        except TimeoutError:
            why = f"no answer in {timeout_seconds:g} s"
            answered = exchange.so_far(why) if exchange is not None else Answered(0, why)
        except Refused as refused:
            answered = Answered(0, refused.detail)
        except (OSError, ssl.SSLError, ValueError) as error:
            answered = Answered(0, f"no connection: {error}")
        finally:
            if exchange is not None:
                self.give_back(exchange)
        return answered

    def kept(self) -> Exchange | None:
        while self.idle:
            exchange = self.idle.pop()
            if exchange.open and monotonic_seconds() - exchange.used_at < IDLE_SECONDS:
                return exchange
            exchange.close()
        return None

    async def connected(self) -> Exchange:
        """A connection to an address that was judged; the one it really has is judged again."""
        last: Exception | None = None
        for address in await self.addresses():
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    transport, exchange = await asyncio.get_running_loop().create_connection(
                        Exchange, address, self.port, ssl=ssl.create_default_context() if self.secure else None,
                        server_hostname=self.host if self.secure else None,
                    )  # fmt: skip
            except (OSError, TimeoutError) as error:
                last = error
                continue
            peer = str(transport.get_extra_info("peername")[0])
            if not self.egress.permits(peer):
                exchange.close()
                raise Refused("address.forbidden", f"{self.host!r} led to {peer}, which is not allowed")
            return exchange
        raise OSError(str(last) or "timed out")

    async def addresses(self) -> list[str]:
        """Judged addresses, kept for a moment; one question at a time, so that a slow name server has one thread."""
        async with self.resolving:
            at, found = self.resolved
            if not found or monotonic_seconds() - at > RESOLVED_SECONDS:
                found = await self.egress.resolve(self.host, self.port)
                self.resolved = (monotonic_seconds(), found)
            return found

    def request(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        lines = [f"POST {self.target} HTTP/1.1", f"host: {self.netloc}", f"content-length: {len(body)}"]
        lines += [f"user-agent: {AGENT}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + body

    def give_back(self, exchange: Exchange) -> None:
        answered = exchange.answer is not None and exchange.answer.done() and not exchange.answer.cancelled()
        if answered and exchange.open and not self.closed and len(self.idle) < IDLE_MAX:
            self.idle.append(exchange)
        else:
            exchange.close()

    def close(self) -> None:
        self.closed = True
        while self.idle:
            self.idle.pop().close()
