"""Reads the files of a blob store so that nothing counts as a blob but what its name says.

A file that this process has not hashed yet is hashed while it is read, beside the sending of what was read before; the
last chunk is held back until the digest is right. Who needs a part of a file waits until all of it is hashed, once for
all who ask at that time.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import IO, Self

import structlog
from anyio.to_thread import run_sync

from treering.adapters.damaged_blobs import note_damaged, note_well
from treering.adapters.known_blobs import KnownBlobs, Stamp, State
from treering.adapters.regular_files import open_regular
from treering.kernel.blobs import PREFIX, absent, damaged
from treering.kernel.refusal import Refused

CHUNK_BYTES = 1024 * 1024
HASHING_MAX = 100  # blobs that wait to be hashed again; one that finds no place waits for its next reader
log = structlog.get_logger()


class CheckedBlobs:
    """The blobs below ``root``, whose file for a digest ``path_of`` names."""

    def __init__(self, root: Path, path_of: Callable[[str], Path]) -> None:
        self.root = root
        self.path_of = path_of
        self.known = KnownBlobs()
        self.hashing: dict[str, asyncio.Task[Stamp]] = {}
        self.turn = asyncio.Semaphore(1)  # of those that are hashed again with nobody waiting

    async def read(self, digest: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Chunks of bytes ``start`` to ``end``, None for all; ``Refused`` ``blob.absent``, or ``blob.damaged`` before
        the last of them."""
        reading = await run_sync(self.open, digest)
        if (start or end is not None) and reading.state == "unknown":
            reading.file.close()
            reading = await run_sync(self.open, digest, await self.ensure(digest))
        with reading:
            if reading.state == "old":
                self.hash_again(digest)
            reading.file.seek(start)
            left = None if end is None else end - start
            async with aclosing(reading.chunks()) as chunks:
                async for chunk in chunks:
                    if left is None or left > len(chunk):
                        left = None if left is None else left - len(chunk)
                        yield chunk
                        continue
                    await run_sync(reading.finish)
                    yield chunk[:left]
                    return

    def open(self, digest: str, hashed: Stamp | None = None) -> Reading:
        """``hashed`` is how the file looked when it was found good, where that was just now."""
        try:
            file = open_regular(self.path_of(digest))
        except FileNotFoundError:
            raise absent(digest) from None
        except (PermissionError, Refused):  # a FIFO, a link or a device in its place would block, or have no end
            raise self.bad(digest) from None
        stamp = Stamp.of(os.fstat(file.fileno()))
        state = "good" if stamp == hashed else self.known.state(digest, stamp)
        if state == "damaged" or (hashed and state == "unknown"):
            file.close()
            raise damaged(digest)
        return Reading(self, digest, file, stamp, state)

    def require(self, digest: str) -> Stamp:
        """How the file of the blob looks, which is what its name says. Blocks. Raises ``Refused`` as ``read`` does."""
        with self.open(digest) as reading:
            if reading.state == "unknown":
                while reading.next():
                    pass
            return reading.stamp

    def is_good(self, digest: str) -> bool:
        """Whether the blob is there and was hashed before; does not read it."""
        return self.looked_at(digest) in ("good", "old")

    def looked_at(self, digest: str) -> str:
        """What is known of the blob's file as it is now, "absent" when there is none."""
        try:
            return self.known.state(digest, Stamp.of(self.path_of(digest).stat()))
        except FileNotFoundError:
            return "absent"

    async def ensure(self, digest: str) -> Stamp:
        """``require`` in a thread, once for all who ask meanwhile; it goes on when they stop waiting."""
        return await asyncio.shield(self.hashing.get(digest) or self.begin(digest, run_sync(self.require, digest)))

    def hash_again(self, digest: str) -> None:
        """Hash a blob again with nobody waiting for it; the next read knows what was found."""
        if digest not in self.hashing and len(self.hashing) < HASHING_MAX:
            self.begin(digest, self.in_turn(digest))

    async def in_turn(self, digest: str) -> Stamp:
        async with self.turn:
            self.known.forget(digest)
            return await run_sync(self.require, digest)

    def begin(self, digest: str, hashing: Coroutine[None, None, Stamp]) -> asyncio.Task[Stamp]:
        task = self.hashing[digest] = asyncio.create_task(hashing)
        task.add_done_callback(lambda done: self.hashed(digest, done))
        return task

    def hashed(self, digest: str, task: asyncio.Task[Stamp]) -> None:
        self.hashing.pop(digest, None)
        if not task.cancelled():
            task.exception()  # reported where it was found

    def found(self, digest: str, stamp: Stamp | None, good: bool) -> None:
        """Remember what hashing showed; ``stamp`` None when the file changed meanwhile."""
        if stamp is not None and not (good and stamp.young):
            self.known.remember(digest, stamp, good)
        if not good:
            raise self.bad(digest)
        note_well(self.root, digest)

    def bad(self, digest: str) -> Refused:
        """Say and note that the blob is damaged; the refusal of whatever wanted it."""
        log.error("blob.damaged", digest=digest, advice="treering blob verify --mend-from BACKUP")
        note_damaged(self.root, digest)
        return damaged(digest)

    def wrote(self, digest: str) -> None:
        """The file was written by this process, which hashed what it wrote."""
        self.known.remember(digest, Stamp.of(self.path_of(digest).stat()), True)
        note_well(self.root, digest)


class Reading:
    """One pass over an open file, hashed on the way unless it is known; to be closed."""

    def __init__(self, checks: CheckedBlobs, digest: str, file: IO[bytes], stamp: Stamp, state: State) -> None:
        self.checks = checks
        self.digest = digest
        self.file = file
        self.stamp = stamp
        self.state = state
        self.hash = hashlib.sha256() if state == "unknown" else None
        self.finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The rest of the file. The next chunk is read and hashed while the one before is sent."""
        chunk = await run_sync(self.next)
        while not self.finished:
            ahead = asyncio.create_task(run_sync(self.next))
            try:
                yield chunk
            finally:  # the thread must be done with the file before it is closed
                await asyncio.gather(ahead, return_exceptions=True)
            chunk = ahead.result()
        if chunk:
            yield chunk

    def next(self) -> bytes:
        """The next chunk, b"" at the end. The last one is given only when all was what the name of the blob says."""
        if self.finished:
            return b""
        try:
            chunk = self.file.read(CHUNK_BYTES)
        except Refused:  # it grew
            raise self.checks.bad(self.digest) from None
        except OSError:  # EIO: the sector is lost
            note_damaged(self.checks.root, self.digest)
            raise
        if self.hash is not None:
            self.hash.update(chunk)
        if len(chunk) < CHUNK_BYTES or self.file.tell() >= self.stamp.size_bytes:
            self.finish()
        return chunk

    def finish(self) -> None:
        """Judge what was read; ``Refused("blob.damaged")``."""
        self.finished = True
        unchanged = Stamp.of(os.fstat(self.file.fileno())) == self.stamp
        if self.hash is not None:
            good = PREFIX + self.hash.hexdigest() == self.digest
            self.checks.found(self.digest, self.stamp if unchanged else None, good)
            self.hash = None
        elif not unchanged:  # somebody wrote to it, or only changed its mode: its content tells
            self.checks.require(self.digest)


def whole(checks: CheckedBlobs, digest: str) -> bool:
    """Whether the blob is there and good; blocks while it is hashed."""
    try:
        checks.require(digest)
    except Refused:
        return False
    return True
