"""GET a file from a foreign address: only where egress allows, bounded in bytes and time, never slower than a minimum.

Each address is judged before it is connected to, by the rules that webhooks have (egress.py); the connection is made
to the very address that was judged, so a name that changes its address meanwhile gains nothing. A redirect is a new
request that is judged like the first. No proxy is used: what a proxy connects to cannot be judged here.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urljoin, urlsplit

import httptools

from treering.adapters.egress import Egress
from treering.adapters.free_space import require_last_room
from treering.kernel.clock import monotonic_seconds
from treering.kernel.disk import refusal_of
from treering.kernel.meter import begin, tick
from treering.kernel.refusal import Refused
from treering.kernel.url_secrets import without_secrets

CONNECT_SECONDS = 10.0
HEAD_SECONDS = 60.0
HEAD_BYTES_MAX = 64 * 1024
REDIRECTS_MAX = 5
BLOCK_BYTES = 1024 * 1024
PORTS = {"http": 80, "https": 443}
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Bounds:
    """Of one download. In each window of ``window_seconds`` at least ``window_bytes_min`` must arrive."""

    bytes_max: int = 10 * 1024**3
    window_seconds: float = 30.0
    window_bytes_min: int = 30 * 1024


class Reply:
    """What httptools reads from one answer: its head, then the body in pieces."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.location = ""
        self.length = 0
        self.delimited = False  # the head says where the body ends; else the connection's end does (RFC 9112, 6.3)
        self.headed = False
        self.complete = False
        self.body = bytearray()

    @property
    def status(self) -> int:
        return int(self.parser.get_status_code())

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"location":
                self.location = value.decode("latin-1")
            case b"content-length":
                self.length, self.delimited = int(value), True
            case b"transfer-encoding":
                self.delimited = True

    def on_headers_complete(self) -> None:
        self.headed = self.status >= 200

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = self.complete or self.status >= 200


async def fetch(url: str, file: Path, egress: Egress, bounds: Bounds) -> None:
    """Write what is at ``url`` into ``file``, which is whole when this returns and gone when it raises.

    Raises ``Refused``: ``address.forbidden``, ``address.unknown``, ``input.unreachable``, ``input.too_large``,
    ``input.too_slow``, ``disk.full``.
    """
    at = url
    try:
        for _ in range(REDIRECTS_MAX + 1):
            moved_to = await fetch_once(at, file, egress, bounds)
            if not moved_to:
                return
            at = urljoin(at, moved_to)
        raise unreachable(url, f"it redirects more than {REDIRECTS_MAX} times")
    except TimeoutError:
        raise unreachable(url, f"its name was not resolved in {CONNECT_SECONDS:g} s") from None
    except (OSError, ValueError, httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
        if (of_the_disk := refusal_of(error)) is not None:
            raise of_the_disk from None
        raise unreachable(url, str(error) or type(error).__name__) from None


async def fetch_once(url: str, file: Path, egress: Egress, bounds: Bounds) -> str:
    """One request; where it redirects to, "" when the file is there."""
    reader, writer = await connected(url, egress)
    try:
        writer.write(request(url))
        reply = Reply()
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                await read_head(reader, reply)
        except TimeoutError:
            raise unreachable(url, f"no answer in {HEAD_SECONDS:g} s") from None
        if reply.status in REDIRECTS and reply.location:
            return reply.location
        if reply.status != 200:
            raise unreachable(url, f"it answered with status {reply.status}")
        if reply.length > bounds.bytes_max:
            raise too_large(url, bounds)
        await save(reader, reply, url, file, bounds)
        return ""
    finally:
        writer.transport.abort()


async def connected(url: str, egress: Egress) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to an address that was judged."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise unreachable(url, "only http:// and https:// addresses with a host are read")
    port = parts.port or PORTS[parts.scheme]
    secure = ssl.create_default_context() if parts.scheme == "https" else None
    last: Exception | None = None
    async with asyncio.timeout(CONNECT_SECONDS):
        addresses = await egress.resolve(parts.hostname, port)
    for address in addresses:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(
                    address, port, ssl=secure, server_hostname=parts.hostname if secure else None
                )
        except (OSError, TimeoutError) as error:
            last = error
    raise OSError(str(last) or f"no connection in {CONNECT_SECONDS:g} s")


def request(url: str) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    lines = [f"GET {target} HTTP/1.1", f"host: {host}", "user-agent: treering", "accept: */*"]
    return "\r\n".join([*lines, "accept-encoding: identity", "connection: close", "", ""]).encode("ascii")


async def read_head(reader: asyncio.StreamReader, reply: Reply) -> None:
    received = 0
    while not reply.headed:
        data = await reader.read(HEAD_BYTES_MAX)
        if not data:
            raise OSError("the connection was closed before there was an answer")
        received += len(data)
        reply.parser.feed_data(data)
        if not reply.headed and received > HEAD_BYTES_MAX:
            raise OSError(f"the head of the answer has more than {HEAD_BYTES_MAX} bytes")


async def save(reader: asyncio.StreamReader, reply: Reply, url: str, file: Path, bounds: Bounds) -> None:
    """The body into ``file``; nothing of it stays when it does not come whole."""
    begin(reply.length, "bytes")
    try:
        with await asyncio.to_thread(file.open, "wb") as to:
            await copy_body(reader, reply, url, to, bounds)
    except BaseException:
        with suppress(OSError):
            file.unlink(missing_ok=True)  # noqa: ASYNC240 - one call, and after a cancellation there is no time
        raise


async def copy_body(reader: asyncio.StreamReader, reply: Reply, url: str, to: IO[bytes], bounds: Bounds) -> None:
    received, window_ends, due = 0, monotonic_seconds() + bounds.window_seconds, bounds.window_bytes_min
    while True:
        if len(reply.body) >= BLOCK_BYTES or (reply.complete and reply.body):
            block, reply.body = bytes(reply.body), bytearray()
            received += len(block)
            if received > bounds.bytes_max:
                raise too_large(url, bounds)
            await asyncio.to_thread(write_block, to, block)
        if reply.complete:
            return
        now = monotonic_seconds()
        if now >= window_ends:
            if received + len(reply.body) < due:
                raise too_slow(url, bounds)
            window_ends, due = now + bounds.window_seconds, received + len(reply.body) + bounds.window_bytes_min
        try:
            async with asyncio.timeout(max(0.0, window_ends - now)):
                data = await reader.read(BLOCK_BYTES)
        except TimeoutError:
            continue
        if data:
            tick(len(data))
            reply.parser.feed_data(data)
        elif reply.delimited:
            raise OSError("the connection was closed before the file was complete")
        else:
            reply.complete = True


def write_block(to: IO[bytes], block: bytes) -> None:
    require_last_room(Path(to.name).parent)
    to.write(block)


def shown(url: str) -> str:
    """For a sentence that the log keeps: a server may send us on to an address with a signature in it."""
    return without_secrets(url)[:200]


def unreachable(url: str, why: str) -> Refused:
    return Refused("input.unreachable", f"{shown(url)} cannot be read: {why}")


def too_large(url: str, bounds: Bounds) -> Refused:
    return Refused("input.too_large", f"{shown(url)} has more than {bounds.bytes_max} bytes")


def too_slow(url: str, bounds: Bounds) -> Refused:
    least = f"{bounds.window_bytes_min} bytes in {bounds.window_seconds:g} s"
    return Refused("input.too_slow", f"{shown(url)} sends less than {least}, the least that is waited for")
