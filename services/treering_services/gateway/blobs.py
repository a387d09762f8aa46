"""Blobs over HTTP: ask what is missing, put it, get it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator

from msgspec import Struct
from starlette.responses import Response, StreamingResponse

from treering.adapters.free_space import require_room
from treering.kernel.blobs import absent, checked_digest
from treering.kernel.bounds import Names
from treering.kernel.refusal import Refused
from treering_services.gateway.call import Call, reply

BLOB_BYTES_MAX = 64 * 1024**3
BLOB_TYPE = "application/octet-stream"
RANGE = re.compile(r"bytes=(\d{1,18})-")
# Foreign content is never shown as a page of this server.
HEADERS = {"accept-ranges": "bytes", "content-disposition": "attachment", "content-security-policy": "sandbox"}


class Digests(Struct, frozen=True, forbid_unknown_fields=True):
    digests: Names


class Missing(Struct, frozen=True):
    missing: list[str]


class Stored(Struct, frozen=True):
    digest: str


async def missing_blobs(call: Call) -> Response:
    """A job is told that all are: it has to send what it names, and learns nothing of what others have stored."""
    asked = await call.json(Digests)
    if call.caller.policy == "job":
        return reply(Missing([checked_digest(digest) for digest in dict.fromkeys(asked.digests)]))
    return reply(Missing(await call.gateway.blobs.missing(asked.digests)))


async def put_blob(call: Call) -> Response:
    """A body that breaks off, or has another digest, leaves nothing behind."""
    expected = checked_digest(call.params["digest"])
    require_room(call.gateway.home.blobs)
    digest = await call.gateway.blobs.put_stream(call.chunks(BLOB_BYTES_MAX), expected)
    return reply(Stored(digest), 201)


async def head_blob(call: Call) -> Response:
    digest, size = await known_blob(call)
    return Response(headers={**HEADERS, "content-length": str(size), "etag": f'"{digest}"'}, media_type=BLOB_TYPE)


async def get_blob(call: Call) -> Response:
    """The blob, or with ``Range: bytes=N-`` what is behind byte N."""
    digest, size = await known_blob(call)
    start = range_start(call.header(b"range"), size)
    headers = {**HEADERS, "content-length": str(size - (start or 0)), "etag": f'"{digest}"'}
    if start is not None:
        headers["content-range"] = f"bytes {start}-{size - 1}/{size}"
    chunks = await begun(call.gateway.blobs.read(digest, start or 0))
    return StreamingResponse(chunks, 200 if start is None else 206, headers=headers, media_type=BLOB_TYPE)


async def begun(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks, the first of which is there: what is refused before it is answered with a status, not by
    breaking off. A small blob is judged whole before it."""
    return Begun(await anext(chunks, b""), chunks)


class Begun:
    """Chunks with one before them. ``aclose`` closes what they are read from, whether any was taken or not."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self.first: bytes | None = first
        self.rest = rest

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        first, self.first = self.first, None
        return await anext(self.rest) if first is None else first

    async def aclose(self) -> None:
        if isinstance(self.rest, AsyncGenerator):
            await self.rest.aclose()


async def known_blob(call: Call) -> tuple[str, int]:
    digest = checked_digest(call.params["digest"])
    size = await call.gateway.blobs.size(digest)
    if size is None:
        raise absent(digest)
    return digest, size


def range_start(header: str, size: int) -> int | None:
    """Where to start; None for the whole. Other forms of Range are ignored, as RFC 9110 14.2 allows."""
    match = RANGE.fullmatch(header.strip())
    if match is None:
        return None
    start = int(match[1])
    if start >= size:
        raise Refused("blob.range", f"the blob has {size} bytes, the range starts at {start}")
    return start
