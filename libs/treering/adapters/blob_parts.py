"""Uploads in parts: each part a file of its own until all are there, then one blob.

``<blobs>/parts/<upload>/<number>-<sha256>``: the name says what the part holds, so completing an upload checks what
the client says it sent, and that it is still what was sent, in one pass. What nobody completes is removed after a day.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from anyio.to_thread import run_sync

from treering.adapters.blobs import ABANDONED_SECONDS, Incoming, LocalBlobs, write_all
from treering.adapters.checked_blobs import CHUNK_BYTES
from treering.adapters.regular_files import open_regular
from treering.kernel.blobs import PREFIX
from treering.kernel.clock import new_id
from treering.kernel.refusal import Refused

UPLOAD = re.compile(r"[0-9a-f]{32}")
ETAG = re.compile(r"[0-9a-f]{64}")
PARTS_MAX = 10_000  # as S3 allows


class BlobParts:
    """The uploads under way in the folder of ``blobs``. Raises ``Refused`` ``upload.*``."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self.blobs = blobs
        self.root = blobs.root / "parts"

    async def create(self) -> str:
        """Begin an upload; its id, which nobody can guess."""
        upload = new_id()
        await run_sync(self.make, upload)
        return upload

    def make(self, upload: str) -> None:
        self.root.mkdir(exist_ok=True, mode=0o700)
        remove_abandoned(self.root)
        (self.root / upload).mkdir(mode=0o700)

    def folder(self, upload: str) -> Path:
        folder = self.root / upload
        if not UPLOAD.fullmatch(upload) or not folder.is_dir():
            raise Refused(
                "upload.absent", f"there is no upload {upload[:40]!r}: it was completed, aborted or never made"
            )
        return folder

    async def put(self, upload: str, number: int, chunks: AsyncIterator[bytes]) -> str:
        """Store part ``number`` (from 1); its ETag. A part sent again replaces the one before."""
        folder = self.folder(upload)
        if not 1 <= number <= PARTS_MAX:
            raise Refused("upload.part_number", f"the number of a part is {number}; it must be 1 to {PARTS_MAX}")
        with Incoming(self.blobs) as incoming:
            await write_all(incoming, chunks)
            return await run_sync(place, incoming, folder, number)

    async def complete(self, upload: str, parts: Sequence[tuple[int, str]]) -> tuple[str, int]:
        """Join the parts in the order of their numbers into one blob; its digest and size in bytes."""
        folder = self.folder(upload)
        numbers = [number for number, _ in parts]
        if not parts or len(set(numbers)) != len(numbers):
            raise Refused("upload.parts", "an upload is completed with its parts, each number once")
        files = [self.file(folder, number, etag) for number, etag in sorted(parts)]
        digest, size_bytes = await run_sync(self.join, files)
        await run_sync(shutil.rmtree, folder, True)
        return digest, size_bytes

    def file(self, folder: Path, number: int, etag: str) -> Path:
        file = folder / f"{number}-{etag}"
        if not ETAG.fullmatch(etag) or not file.is_file():
            raise Refused("upload.part_absent", f"part {number} with ETag {etag[:70]!r} was not sent")
        return file

    def join(self, files: Sequence[Path]) -> tuple[str, int]:
        size_bytes = 0
        with Incoming(self.blobs) as incoming:
            for file in files:
                size_bytes += append(incoming, file)
            return incoming.keep(), size_bytes

    async def abort(self, upload: str) -> None:
        await run_sync(shutil.rmtree, self.folder(upload), True)


def append(incoming: Incoming, part: Path) -> int:
    """Write a part behind those before it; its size in bytes. ``Refused("upload.part_damaged")``.

    The blob gets the digest of what is read here, so a part that was changed on the disk would become the truth.
    """
    hash, size_bytes = hashlib.sha256(), 0
    with open_regular(part) as source:
        while chunk := source.read(CHUNK_BYTES):
            hash.update(chunk)
            incoming.write(chunk)
            size_bytes += len(chunk)
    number, _, sent = part.name.partition("-")
    if hash.hexdigest() != sent:
        part.unlink()
        why = f"part {number} was changed where it is kept; send it again, then complete the upload"
        raise Refused("upload.part_damaged", why)
    return size_bytes


def place(incoming: Incoming, folder: Path, number: int) -> str:
    etag = incoming.digest().removeprefix(PREFIX)
    for earlier in folder.glob(f"{number}-*"):
        earlier.unlink()
    incoming.file.flush()
    incoming.path.replace(folder / f"{number}-{etag}")
    return etag


def remove_abandoned(root: Path) -> None:
    oldest = time.time() - ABANDONED_SECONDS
    for folder in root.iterdir():
        if folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)
