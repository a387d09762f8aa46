"""Folders as blobs: every file is a blob, and the tree is a manifest blob that names them.

The digest of the manifest therefore stands for the whole folder, and an unchanged file is stored once
however many jobs have it. Empty folders, owners and times are not part of a tree.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from anyio.to_thread import run_sync
from msgspec import Meta, Struct

from treering.adapters.blobs import LocalBlobs
from treering.adapters.folders import Found, left_out, scan
from treering.adapters.regular_files import open_regular
from treering.adapters.tree_walk import FILES_MAX, readable
from treering.kernel.blobs import PREFIX, Blobs, absent, checked_digest
from treering.kernel.bounds import Count, Name, Text
from treering.kernel.decoding import decode
from treering.kernel.ending import run_together
from treering.kernel.meter import begin, tick
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath

BYTES_MAX = 1024**4
MANIFEST_BYTES_MAX = 128 * 1024 * 1024
UPLOADS_AT_ONCE = 4
CHUNK_BYTES = 1024 * 1024


class TreeFile(Struct, frozen=True):
    """One file of a tree; ``path`` is relative to its folder, ``size`` in bytes."""

    path: Text
    size: Count
    digest: Name
    executable: bool


class Manifest(Struct, frozen=True):
    files: Annotated[tuple[TreeFile, ...], Meta(max_length=FILES_MAX)]


class Tree(NamedTuple):
    digest: str
    files: int
    size_bytes: int


async def put_tree(
    blobs: Blobs, folder: Path, ignore: bool = True, bytes_max: int = BYTES_MAX, holes_bytes_max: int = BYTES_MAX
) -> Tree:
    """Store a folder (or one file, as a tree of one). ``ignore``: leave out what its ignore file names.
    ``holes_bytes_max``: by how much it may grow because the holes of its files are stored as zeros.

    Raises ``Refused`` ``tree.*`` (see ``scan``), ``tree.too_large``, and ``tree.changed`` when a file changes
    meanwhile.
    """
    found = await run_sync(scan, folder, ignore)
    check_size(found, folder, bytes_max, left_out(ignore))
    check_holes(found, folder, holes_bytes_max)
    files = await run_sync(hashed, found)
    manifest = await run_sync(manifest_of, files, folder)
    await put_missing(blobs, found, files)
    return Tree(await blobs.put_bytes(manifest), len(files), sum(file.size for file in files))


def manifest_of(files: Sequence[TreeFile], folder: Path) -> bytes:
    manifest = msgspec.json.encode(Manifest(tuple(files)))
    if len(manifest) > MANIFEST_BYTES_MAX:  # nobody could read it
        why = f"{str(folder)!r} has {len(files)} files, whose names and digests take {len(manifest)} bytes"
        raise Refused("tree.too_many_files", f"{why}; at most {MANIFEST_BYTES_MAX} are taken: pack some into one")
    return manifest


def check_size(found: Sequence[Found], folder: Path, bytes_max: int, advice: str) -> None:
    size_bytes = sum(one.size_bytes for one in found)
    if size_bytes > bytes_max:
        message = f"{str(folder)!r} has {size_bytes} bytes, at most {bytes_max} are taken"
        raise Refused("tree.too_large", f"{message}; for what is not needed: {advice}")


def check_holes(found: Sequence[Found], folder: Path, holes_bytes_max: int) -> None:
    """Said before they are hashed, which takes as long as if they were full."""
    files = {one.inode: one for one in found}.values()
    holes_bytes = sum(max(0, one.size_bytes - one.disk_bytes) for one in files)
    if holes_bytes > holes_bytes_max:
        why = f"the files of {str(folder)!r} have holes (sparse files) that would take {holes_bytes} bytes when stored"
        raise Refused("tree.too_large", f"{why}, and there is room for {holes_bytes_max}; remove them, or write less")


def hashed(found: Sequence[Found]) -> list[TreeFile]:
    """A file to which many names lead, by symbolic or hard links, is read once."""
    begin(sum(one.size_bytes for one in {one.inode: one for one in found}.values()), "bytes")
    known: dict[tuple[int, int], tuple[int, str]] = {}
    for one in found:
        if one.inode not in known:
            with readable(one.path, "the folder"):
                known[one.inode] = measured(one.full)
    return [TreeFile(one.path, *known[one.inode], one.executable) for one in found]


def measured(path: Path) -> tuple[int, str]:
    """Size and digest of the same bytes; ``Refused`` as ``open_regular`` says."""
    tick(0)
    found = hashlib.sha256()
    with open_regular(path) as file:
        while chunk := file.read(CHUNK_BYTES):
            found.update(chunk)
            tick(len(chunk))
        return file.tell(), PREFIX + found.hexdigest()


async def put_missing(blobs: Blobs, found: Sequence[Found], files: Sequence[TreeFile]) -> None:
    places = {file.digest: one.full for one, file in zip(found, files, strict=True)}
    permits = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def put(digest: str) -> None:
        async with permits:
            if await blobs.put_file(places[digest]) != digest:
                raise Refused("tree.changed", f"{places[digest]} changed while it was read; submit again")

    missing = await blobs.missing(list(places))
    await run_together(*(put(digest) for digest in missing))


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

    Read-only files have mode 0444 (0555). All are copies, which share no more than blocks (see blob_copies.py).
    Raises ``Refused`` as ``read_manifest`` does, ``tree.destination`` when there is something already, and
    ``blob.damaged`` for a file that is not what was stored.
    """
    manifest = await read_manifest(blobs, digest)
    await run_sync(lay_out, blobs, manifest, destination, writable)
    return manifest


def lay_out(blobs: LocalBlobs, manifest: Manifest, destination: Path, writable: bool) -> None:
    destination.mkdir(parents=True, exist_ok=True)
    if any(destination.iterdir()):
        raise Refused("tree.destination", f"{destination} is not empty")
    begin(sum(file.size for file in manifest.files), "bytes")
    for file in manifest.files:
        target = SafePath.parse(file.path).under(destination)
        target.parent.mkdir(parents=True, exist_ok=True)
        blobs.copy_to(file.digest, target, mode_of(writable, file.executable))


def mode_of(writable: bool, executable: bool) -> int:
    return (0o555 if executable else 0o444) | (0o200 if writable else 0)
