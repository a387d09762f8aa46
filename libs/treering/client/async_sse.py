"""Server-sent events in an event loop: a GET over asyncio streams, and the same reading as the synchronous twin."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from treering.client.connections import CONNECT_TIMEOUT_SECONDS
from treering.client.errors import PASSING, ApiError, Unreachable
from treering.client.http import Client, pause_seconds, refusal
from treering.client.sse import LINE_BYTES_MAX, SILENCE_SECONDS, SILENT_TRIES_MAX, Message, Parser
from treering.kernel.pages import NEXT_HEADER

HEAD_BYTES_MAX = 64 * 1024
REFUSAL_BYTES_MAX = 64 * 1024
CHUNK_BYTES = 64 * 1024
LOST = (OSError, EOFError, asyncio.LimitOverrunError, ssl.SSLError, ValueError)


async def messages(client: Client, path: str, *, ends: bool = False, last_id: str = "") -> AsyncIterator[Message]:
    """As ``treering.client.sse.messages``, which says what is raised."""
    silent, why = 0, "the stream ended"
    while silent < SILENT_TRIES_MAX:
        if silent:
            await asyncio.sleep(pause_seconds(silent))
        silent += 1
        parser = Parser(last_id)
        try:
            async with answered(client, path, last_id) as (headers, parts):
                async for data in parts:
                    for message in parser.feed(data):
                        silent = 0
                        yield message
                if ends:
                    silent, last_id = 0, headers.get(NEXT_HEADER, "")
                    if not last_id:
                        return
                    continue
        except ApiError as error:
            if error.status not in PASSING:
                raise
            why = error.detail
        except LOST as error:
            why = str(error) or type(error).__name__
        last_id = parser.last_id
    raise Unreachable(f"the stream from {client.connections.url} broke {SILENT_TRIES_MAX} times: {why}")


@asynccontextmanager
async def answered(
    client: Client, path: str, last_id: str
) -> AsyncIterator[tuple[dict[str, str], AsyncIterator[bytes]]]:
    """The headers of an answer, and its bytes as they come; ``ApiError`` for a refusal, one of ``LOST`` when it breaks
    off."""
    at = client.connections
    async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
        context = ssl.create_default_context() if at.secure else None
        port = at.port or (443 if at.secure else 80)
        reader, writer = await asyncio.open_connection(at.host, port, ssl=context, limit=HEAD_BYTES_MAX)
    try:
        writer.write(request(client, path, last_id))
        async with asyncio.timeout(SILENCE_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status, headers = int(head[0].split(" ")[1]), dict(fields(head[1:]))
        if status >= 400:
            async with asyncio.timeout(SILENCE_SECONDS):
                raise refusal(status, await reader.read(REFUSAL_BYTES_MAX))
        yield headers, chunks(reader) if headers.get("transfer-encoding") == "chunked" else plain(reader)
    finally:
        writer.transport.abort()


def request(client: Client, path: str, last_id: str) -> bytes:
    at = client.connections
    lines = [
        f"GET {at.prefix}{path} HTTP/1.1", f"Host: {at.netloc}", "Accept: text/event-stream", "Connection: close",
        "Cache-Control: no-cache",
    ]  # fmt: skip
    if client.token:
        lines.append(f"Authorization: Bearer {client.token}")
    if last_id:
        lines.append(f"Last-Event-ID: {last_id}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip().lower(), value.strip().lower()


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """A chunked body (RFC 9112, 7.1)."""
    while True:
        async with asyncio.timeout(SILENCE_SECONDS):
            left = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
            if not left:
                return
            if left > LINE_BYTES_MAX:
                raise ValueError(f"a chunk has {left} bytes")
            while left:
                data = await reader.read(min(left, CHUNK_BYTES))
                if not data:
                    raise EOFError("the connection was closed within a chunk")
                left -= len(data)
                yield data
            await reader.readexactly(2)


async def plain(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(SILENCE_SECONDS):
            data = await reader.read(CHUNK_BYTES)
        if not data:
            return
        yield data
