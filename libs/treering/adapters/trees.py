"""Folders as blobs: every file is a blob, and the tree is a manifest blob that names them.

The digest of the manifest therefore stands for the whole folder, and an unchanged file is stored once
however many jobs have it. Empty folders, owners and times are not part of a tree.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from anyio.to_thread import run_sync
from msgspec import Struct

from treering.adapters.blobs import LocalBlobs
from treering.adapters.folders import Found, scan
from treering.kernel.blobs import PREFIX, Blobs, absent, checked_digest
from treering.kernel.decoding import decode
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath

FILES_MAX = 100_000
BYTES_MAX = 1024**4
MANIFEST_BYTES_MAX = 128 * 1024 * 1024
UPLOADS_AT_ONCE = 4


class TreeFile(Struct, frozen=True):
    """One file of a tree; ``path`` is relative to its folder, ``size`` in bytes."""

    path: str
    size: int
    digest: str
    executable: bool


class Manifest(Struct, frozen=True):
    files: tuple[TreeFile, ...]


class Tree(NamedTuple):
    digest: str
    files: int
    size_bytes: int


async def put_tree(blobs: Blobs, folder: Path, ignore: bool = True, bytes_max: int = BYTES_MAX) -> Tree:
    """Store a folder (or one file, as a tree of one). ``ignore``: leave out what its ignore file names.

    Raises ``Refused`` ``tree.*`` (see ``scan``), ``tree.too_large``, and ``tree.changed`` when a file changes
    meanwhile.
    """
    found = await run_sync(scan, folder, ignore, FILES_MAX)
    await run_sync(check_size, found, folder, bytes_max)
    files = await run_sync(hashed, found)
    await put_missing(blobs, found, files)
    manifest = msgspec.json.encode(Manifest(tuple(files)))
    return Tree(await blobs.put_bytes(manifest), len(files), sum(file.size for file in files))


def check_size(found: Sequence[Found], folder: Path, bytes_max: int) -> None:
    size_bytes = sum(one.full.stat().st_size for one in found)
    if size_bytes > bytes_max:
        message = f"{str(folder)!r} has {size_bytes} bytes, at most {bytes_max} are taken"
        raise Refused("tree.too_large", f"{message}; name what is not needed in .amlignore")


def hashed(found: Sequence[Found]) -> list[TreeFile]:
    return [TreeFile(one.path, *measured(one.full), one.executable) for one in found]


def measured(path: Path) -> tuple[int, str]:
    """Size and digest of the same bytes: a file may grow between looking and reading."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), PREFIX + digest


async def put_missing(blobs: Blobs, found: Sequence[Found], files: Sequence[TreeFile]) -> None:
    places = {file.digest: one.full for one, file in zip(found, files, strict=True)}
    permits = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def put(digest: str) -> None:
        async with permits:
            if await blobs.put_file(places[digest]) != digest:
                raise Refused("tree.changed", f"{places[digest]} changed while it was read; submit again")

    missing = await blobs.missing(list(places))
    try:
        async with asyncio.TaskGroup() as tasks:
            for digest in missing:
                tasks.create_task(put(digest))
    except ExceptionGroup as group:  # the first failure ended the others; callers know Refused, not groups
        raise group.exceptions[0] from None


async def read_manifest(blobs: Blobs, digest: str) -> Manifest:
    """The manifest of a tree, judged; ``Refused`` ``blob.absent``, ``tree.malformed`` or ``path.unsafe``."""
    size = await blobs.size(digest)
    if size is None:
        raise absent(digest)
    if size > MANIFEST_BYTES_MAX:
        raise Refused("tree.malformed", f"{digest} has {size} bytes; a manifest has at most {MANIFEST_BYTES_MAX}")
    data = b"".join([chunk async for chunk in blobs.read(digest)])
    return await run_sync(parsed, data)


def parsed(data: bytes) -> Manifest:
    manifest = decode(data, Manifest, code="tree.malformed", bytes_max=MANIFEST_BYTES_MAX)
    if len(manifest.files) > FILES_MAX:
        raise Refused("tree.malformed", f"a tree has at most {FILES_MAX} files, this one {len(manifest.files)}")
    paths = set()
    for file in manifest.files:
        checked_digest(file.digest)
        if SafePath.parse(file.path).text != file.path or not file.path or file.path in paths:
            raise Refused("tree.malformed", f"the path {file.path!r} is empty, twice there or not in its plain form")
        paths.add(file.path)
    for path in paths:
        if not paths.isdisjoint(map(str, Path(path).parents)):
            raise Refused("tree.malformed", f"a folder of {path!r} is also a file")
    return manifest


async def materialise(blobs: LocalBlobs, digest: str, destination: Path, writable: bool) -> Manifest:
    """Lay a tree out in ``destination``, a new or empty folder; its manifest.

    Read-only files have mode 0444 (0555) and may be hard links to the blobs; writable ones are copies.
    Raises ``Refused`` as ``read_manifest`` does, and ``tree.destination`` when there is something already.
    """
    manifest = await read_manifest(blobs, digest)
    await run_sync(lay_out, blobs, manifest, destination, writable)
    return manifest


def lay_out(blobs: LocalBlobs, manifest: Manifest, destination: Path, writable: bool) -> None:
    destination.mkdir(parents=True, exist_ok=True)
    if any(destination.iterdir()):
        raise Refused("tree.destination", f"{destination} is not empty")
    for file in manifest.files:
        target = SafePath.parse(file.path).under(destination)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            place(blobs.path_of(file.digest), target, writable, file.executable)
        except FileNotFoundError:
            raise absent(file.digest) from None


def place(source: Path, target: Path, writable: bool, executable: bool) -> None:
    if not writable and not executable and modes_bind() and linked(source, target):
        return
    shutil.copyfile(source, target)
    target.chmod((0o555 if executable else 0o444) | (0o200 if writable else 0))


def modes_bind() -> bool:
    """Whether 0444 keeps this user from writing. It does not keep root, whose job would change the blob itself."""
    return os.geteuid() != 0


def linked(source: Path, target: Path) -> bool:
    """Hard links share content and mode with the blob: the same 0444. False on another filesystem."""
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            raise
        return False
    return True
