"""Blobs as files below one folder: ``sha256/ab/abcd...``, read-only, each named by its content.

A blob is written to ``incoming/`` first and gets its name when it is complete and on the disk, so a name
that is there is a blob that is whole, whatever was killed in between.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Self
from uuid import uuid4

from anyio.to_thread import run_sync

from treering.adapters.blob_copies import copy_blob
from treering.adapters.checked_blobs import CHUNK_BYTES, CheckedBlobs, whole
from treering.adapters.damaged_blobs import noted
from treering.adapters.free_space import require_last_room
from treering.adapters.regular_files import open_regular
from treering.kernel.blobs import PREFIX, checked_digest, digest_of
from treering.kernel.meter import tick
from treering.kernel.refusal import Refused

BLOCK_BYTES = 1024 * 1024  # as an upload comes in (gateway/http/protocol.py)
# Written before the kernel is asked to bring it to the disk: the sync at the end then has little to wait for.
WRITEBACK_BYTES = 4 * 1024 * 1024
ABANDONED_SECONDS = 24 * 60 * 60


class LocalBlobs:
    """The port ``Blobs`` in the folder ``root``, which several processes may share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.checks = CheckedBlobs(root, self.path_of)
        remove_abandoned(self.incoming)

    def path_of(self, digest: str) -> Path:
        """Where a blob is, or would be; ``Refused("blob.digest_invalid")``. The file must never be changed."""
        name = checked_digest(digest).removeprefix(PREFIX)
        return self.root / "sha256" / name[:2] / name

    async def put_bytes(self, data: bytes) -> str:
        digest = digest_of(data)
        if not self.checks.is_good(digest):
            await run_sync(self.store_unless_whole, digest, data)
        return digest

    def store_unless_whole(self, digest: str, data: bytes) -> None:
        if not whole(self.checks, digest):
            self.store(data)

    def store(self, data: bytes) -> str:
        with Incoming(self) as incoming:
            incoming.write(data)
            return incoming.keep()

    async def put_file(self, path: Path) -> str:
        return await run_sync(self.copy, path)

    def copy(self, path: Path) -> str:
        with open_regular(path) as source, Incoming(self) as incoming:
            while chunk := source.read(CHUNK_BYTES):
                incoming.write(chunk)
                tick(0)  # ends it when nobody waits any more; what counts was counted as it was hashed
            return incoming.keep()

    async def put_stream(self, chunks: AsyncIterator[bytes], expected: str | None = None) -> str:
        if expected is not None:
            checked_digest(expected)
        with Incoming(self) as incoming:
            await write_all(incoming, chunks)
            return await run_sync(incoming.keep, expected)

    async def size(self, digest: str) -> int | None:
        return await run_sync(size_of, self.path_of(digest))

    async def missing(self, digests: Sequence[str]) -> list[str]:
        """One that was found damaged is missing too: put again, it is whole."""
        wanted = list(dict.fromkeys(map(checked_digest, digests)))
        return await run_sync(self.not_there, wanted) if wanted else []

    def not_there(self, digests: Sequence[str]) -> list[str]:
        bad = set(noted(self.root))
        return [digest for digest in digests if digest in bad or self.checks.looked_at(digest) in ("absent", "damaged")]

    def read(self, digest: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """As the port says; up to byte ``end``, which is not included, when there is one."""
        return self.checks.read(digest, start, end)

    def copy_to(self, digest: str, target: Path, mode: int) -> None:
        """Write the blob into the new file ``target``; blocks. Raises ``Refused`` ``blob.absent``, ``blob.damaged``."""
        copy_blob(self.checks, digest, target, mode)


class Incoming:
    """One blob on its way in; it leaves nothing behind unless it is kept."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self.blobs = blobs
        self.path = blobs.incoming / uuid4().hex
        self.hash = hashlib.sha256()
        self.written_bytes = self.asked_bytes = 0

    def __enter__(self) -> Self:
        self.file = self.path.open("xb")
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)

    def write(self, chunk: bytes | bytearray) -> None:
        """``Refused("disk.full")`` before there is none left for those who bring to an end what runs."""
        require_last_room(self.path.parent)
        self.hash.update(chunk)
        self.file.write(chunk)
        self.written_bytes += len(chunk)
        if self.written_bytes - self.asked_bytes >= WRITEBACK_BYTES:
            self.begin_writeback()

    def begin_writeback(self) -> None:
        """ "Not needed any more", said of dirty pages, makes Linux begin to write them, and nobody waits for it."""
        self.file.flush()
        if hasattr(os, "posix_fadvise"):
            new_bytes = self.written_bytes - self.asked_bytes
            os.posix_fadvise(self.file.fileno(), self.asked_bytes, new_bytes, os.POSIX_FADV_DONTNEED)
        self.asked_bytes = self.written_bytes

    def digest(self) -> str:
        return PREFIX + self.hash.hexdigest()

    def keep(self, expected: str | None = None) -> str:
        """Give the blob its name, durably; its digest. What is there already stays, if it is still what it was."""
        digest = self.digest()
        if expected is not None and digest != expected:
            raise Refused("blob.digest_mismatch", f"the content came as {digest}, expected was {expected}")
        target = self.blobs.path_of(digest)
        if target.exists() and whole(self.blobs.checks, digest):
            return digest
        self.file.flush()
        os.fchmod(self.file.fileno(), 0o444)
        os.fsync(self.file.fileno())
        make_folder(target.parent)
        self.path.replace(target)
        sync_folder(target.parent)
        self.blobs.checks.wrote(digest)
        return digest


async def write_all(incoming: Incoming, chunks: AsyncIterator[bytes]) -> None:
    """Write what comes, one block in a thread while the next is gathered: a network's chunks are small, and
    each visit to a thread costs as much as hashing a hundred kilobytes."""
    block: bytes | bytearray = bytearray()
    writing: asyncio.Task[None] | None = None
    try:
        async for chunk in chunks:
            if block or len(chunk) < BLOCK_BYTES:
                block += chunk
                if len(block) < BLOCK_BYTES:
                    continue
                full, block = block, bytearray()
            else:
                full = chunk
            if writing is not None:
                await writing
            writing = asyncio.create_task(run_sync(incoming.write, full))
        if writing is not None:
            await writing
        if block:
            await run_sync(incoming.write, block)
    except BaseException:
        if writing is not None:  # the thread must be done with the file before it is closed
            await asyncio.gather(writing, return_exceptions=True)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each durable before something is put in."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True, mode=0o700)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def remove_abandoned(folder: Path) -> None:
    """Remove what a killed process left; younger files may be another process's, still being written."""
    oldest = time.time() - ABANDONED_SECONDS
    for path in folder.iterdir():
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except FileNotFoundError:  # finished, or removed by another process
            continue
