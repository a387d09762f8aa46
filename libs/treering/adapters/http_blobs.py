"""The blobs of an installation elsewhere, over its HTTP API: the port ``Blobs`` for clients."""

from __future__ import annotations

import hashlib
import http.client
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TypeVar

from anyio.to_thread import run_sync

from treering.adapters.regular_files import open_regular
from treering.client.errors import PASSING, ApiError
from treering.client.http import LOST, TRIES_MAX, Client, pause
from treering.kernel.blobs import PREFIX, absent, checked_digest, digest_of
from treering.kernel.refusal import Refused

CHUNK_BYTES = 1024 * 1024
ASKED_AT_ONCE_MAX = 5000
T = TypeVar("T")


class HttpBlobs:
    """Raises, beside the port's refusals, ``ApiError`` and ``Unreachable``. ``sent_bytes`` counts what went up."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.sent_bytes = 0

    async def put_bytes(self, data: bytes) -> str:
        digest = digest_of(data)
        await run_sync(self.put, digest, data)
        self.sent_bytes += len(data)
        return digest

    async def put_file(self, path: Path) -> str:
        """Read twice, for its digest and to be sent; ``blob.digest_mismatch`` when it changes in between."""
        digest, size = await run_sync(measured, path)
        await run_sync(self.put, digest, lambda: open_regular(path))
        self.sent_bytes += size
        return digest

    async def put_stream(self, chunks: AsyncIterator[bytes], expected: str | None = None) -> str:
        """Kept in a temporary file until all came: what cannot be read again cannot be sent again."""
        if expected is not None:
            checked_digest(expected)
        with tempfile.NamedTemporaryFile(prefix="treering-") as spool:
            async for chunk in chunks:
                await run_sync(spool.write, chunk)
            spool.flush()
            digest, _ = await run_sync(measured, Path(spool.name))
            if expected is not None and digest != expected:
                raise Refused("blob.digest_mismatch", f"the content came as {digest}, expected was {expected}")
            return await self.put_file(Path(spool.name))

    def put(self, digest: str, body: bytes | Callable[[], IO[bytes]]) -> None:
        refusing(lambda: self.client.ask("PUT", path_of(digest), body, {"Content-Type": "application/octet-stream"}))

    async def size(self, digest: str) -> int | None:
        return await run_sync(self.measure, checked_digest(digest))

    def measure(self, digest: str) -> int | None:
        for attempt in range(TRIES_MAX):
            try:
                with self.client.reply("HEAD", path_of(digest)) as reply:
                    reply.read()
                    return int(reply.headers["Content-Length"])
            except ApiError as error:
                if error.status == 404:
                    return None
                if error.status not in PASSING or attempt == TRIES_MAX - 1:
                    raise
            except LOST as error:
                if attempt == TRIES_MAX - 1:
                    raise self.client.lost(error) from error
            pause(attempt)
        raise AssertionError("the last try returns or raises")

    async def missing(self, digests: Sequence[str]) -> list[str]:
        """Asked in parts, each in one request."""
        wanted = list(dict.fromkeys(checked_digest(digest) for digest in digests))
        found: list[str] = []
        for first in range(0, len(wanted), ASKED_AT_ONCE_MAX):
            body = {"digests": wanted[first : first + ASKED_AT_ONCE_MAX]}
            found += (await run_sync(self.client.post, "/v1/blobs/missing", body))["missing"]
        return found

    async def read(self, digest: str, start: int = 0) -> AsyncIterator[bytes]:
        """In chunks; a lost connection is taken up again where it broke."""
        receiving = Receiving(self.client, checked_digest(digest), start)
        try:
            while chunk := await run_sync(receiving.next):
                yield chunk
        finally:
            receiving.close()


class Receiving:
    """One blob on its way here."""

    def __init__(self, client: Client, digest: str, start: int) -> None:
        self.client = client
        self.digest = digest
        self.at = start
        self.context: AbstractContextManager[http.client.HTTPResponse] | None = None
        self.reply: http.client.HTTPResponse | None = None

    def next(self) -> bytes:
        """The next chunk, b"" at the end."""
        for attempt in range(TRIES_MAX):
            try:
                return self.chunk()
            except LOST as error:
                self.close()
                if attempt == TRIES_MAX - 1:
                    raise self.client.lost(error) from error
            pause(attempt)
        raise AssertionError("the last try returns or raises")

    def chunk(self) -> bytes:
        if self.reply is None:
            headers = {"Range": f"bytes={self.at}-"} if self.at else {}
            context = self.client.reply("GET", path_of(self.digest), headers=headers)
            try:
                self.reply = context.__enter__()
            except ApiError as error:
                if error.status == 416:  # it ends before ``at``
                    return b""
                raise translated(error, self.digest) from None
            self.context = context
        data = self.reply.read(CHUNK_BYTES)
        if not data and self.reply.length:
            raise http.client.IncompleteRead(data, self.reply.length)
        self.at += len(data)
        return data

    def close(self) -> None:
        context, self.context, self.reply = self.context, None, None
        if context is not None:
            context.__exit__(None, None, None)


def refusing(act: Callable[[], T]) -> T:
    """What the other side refuses about a blob is a refusal here too."""
    try:
        return act()
    except ApiError as error:
        raise translated(error, "") from None


def translated(error: ApiError, digest: str) -> Exception:
    if error.code == "blob.absent" and digest:
        return absent(digest)
    return Refused(error.code, error.detail) if error.code.startswith("blob.") else error


def path_of(digest: str) -> str:
    return f"/v1/blobs/{checked_digest(digest)}"


def measured(path: Path) -> tuple[str, int]:
    with open_regular(path) as file:
        return PREFIX + hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
