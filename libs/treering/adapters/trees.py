"""Folders as blobs: every file is a blob, and the tree is a manifest blob that names them.

The digest of the manifest therefore stands for the whole folder, and an unchanged file is stored once
however many jobs have it. Owners and times are not part of a tree.
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
from treering.adapters.folders import Found, Listing, advice, scan
from treering.adapters.gaps import LeaveOut, refuse
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
ENTRY_BYTES = 160  # of a manifest: a file but for its path, rounded up


class TreeFile(Struct, frozen=True):
    """One file of a tree; ``path`` is relative to its folder, ``size`` in bytes."""

    path: Text
    size: Count
    digest: Name
    executable: bool


class Manifest(Struct, frozen=True, omit_defaults=True):
    """``folders`` are those in which nothing is. They came later: a tree without any is written as it always was."""

    files: Annotated[tuple[TreeFile, ...], Meta(max_length=FILES_MAX)]
    folders: Annotated[tuple[Text, ...], Meta(max_length=FILES_MAX)] = ()


class Tree(NamedTuple):
    digest: str
    files: int
    size_bytes: int


class Limits(NamedTuple):
    """``holes_bytes_max``: by how much a tree may grow because the holes of its files are stored as zeros."""

    bytes_max: int = BYTES_MAX
    holes_bytes_max: int = BYTES_MAX
    manifest_bytes_max: int = MANIFEST_BYTES_MAX


LIMITS = Limits()


async def put_tree(
    blobs: Blobs, folder: Path, ignore: bool = True, limits: Limits = LIMITS, leave_out: LeaveOut = refuse
) -> Tree:
    """Store a folder (or one file, as a tree of one). ``ignore``: leave out what its ignore file names, as of code.

    ``leave_out`` is told what cannot be stored: as ``scan`` tells it, ``tree.too_large``, ``tree.too_many_files``,
    ``tree.unreadable``, and ``tree.changed`` for a file that changes meanwhile. Raises ``Refused`` as ``scan`` does.
    """
    listing = await run_sync(scan, folder, ignore, leave_out)
    found = fitting(listing, limits, advice(ignore), leave_out)
    files = await run_sync(hashed, found, leave_out)
    files = await put_missing(blobs, found, files, leave_out)
    manifest = await run_sync(msgspec.json.encode, Manifest(tuple(files), tuple(listing.folders)))
    return Tree(await blobs.put_bytes(manifest), len(files), sum(file.size for file in files))


def fitting(listing: Listing, limits: Limits, advice: str, leave_out: LeaveOut) -> list[Found]:
    """The files, in the order of their paths, that do not go beyond the limits together with those before them.

    Said before they are hashed, which takes as long for holes as if they were full."""
    taken: list[Found] = []
    seen: set[tuple[int, int]] = set()
    size_bytes = holes_bytes = 0
    manifest_bytes = sum(path_bytes(path) for path in listing.folders)
    for one in listing.files:
        sizes = size_bytes + one.size_bytes
        holes = holes_bytes + (0 if one.inode in seen else max(0, one.size_bytes - one.disk_bytes))
        names = manifest_bytes + path_bytes(one.path)
        if sizes > limits.bytes_max:
            why = f"{one.path!r} makes the files {sizes} bytes, at most {limits.bytes_max} are taken"
            leave_out(one.path, Refused("tree.too_large", f"{why}; for what is not needed: {advice}"))
        elif holes > limits.holes_bytes_max:
            why = f"the files up to {one.path!r} have holes (sparse files) that would take {holes} bytes when stored"
            room = f"and there is room for {limits.holes_bytes_max}"
            leave_out(one.path, Refused("tree.too_large", f"{why}, {room}; remove them, or write less"))
        elif names > limits.manifest_bytes_max:  # nobody could read it
            why = f"the names and digests of the files up to {one.path!r} take {names} bytes"
            most = f"at most {limits.manifest_bytes_max} are taken"
            leave_out(one.path, Refused("tree.too_many_files", f"{why}; {most}: pack some into one"))
        else:
            taken.append(one)
            seen.add(one.inode)
            size_bytes, holes_bytes, manifest_bytes = sizes, holes, names
    return taken


def path_bytes(path: str) -> int:
    """What an entry takes of a manifest, at most."""
    return ENTRY_BYTES + len(msgspec.json.encode(path))


def hashed(found: Sequence[Found], leave_out: LeaveOut = refuse) -> list[TreeFile]:
    """A file to which many names lead, by symbolic or hard links, is read once."""
    begin(sum(one.size_bytes for one in {one.inode: one for one in found}.values()), "bytes")
    known: dict[tuple[int, int], tuple[int, str]] = {}
    files = []
    for one in found:
        try:
            if one.inode not in known:
                with readable(one.path, "the folder"):
                    known[one.inode] = measured(one.full)
            files.append(TreeFile(one.path, *known[one.inode], one.executable))
        except Refused as refused:
            leave_out(one.path, refused)
    return files


def measured(path: Path) -> tuple[int, str]:
    """Size and digest of the same bytes; ``Refused`` as ``open_regular`` says."""
    tick(0)
    found = hashlib.sha256()
    with open_regular(path) as file:
        while chunk := file.read(CHUNK_BYTES):
            found.update(chunk)
            tick(len(chunk))
        return file.tell(), PREFIX + found.hexdigest()


async def put_missing(
    blobs: Blobs, found: Sequence[Found], files: Sequence[TreeFile], leave_out: LeaveOut
) -> list[TreeFile]:
    """Store what is not there yet; the files that are stored now."""
    full = {one.path: one.full for one in found}
    places = {file.digest: full[file.path] for file in files}
    permits = asyncio.Semaphore(UPLOADS_AT_ONCE)
    changed: set[str] = set()

    async def put(digest: str) -> None:
        async with permits:
            try:
                if await blobs.put_file(places[digest]) != digest:
                    changed.add(digest)
            except Refused as refused:
                if not refused.code.startswith("tree."):
                    raise
                changed.add(digest)

    missing = await blobs.missing(list(places))
    await run_together(*(put(digest) for digest in missing))
    for file in files if changed else ():
        if file.digest in changed:
            leave_out(file.path, Refused("tree.changed", f"{file.path!r} changed while it was read"))
    return [file for file in files if file.digest not in changed]


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
    if len(manifest.files) + len(manifest.folders) > FILES_MAX:
        raise Refused("tree.malformed", f"a tree has at most {FILES_MAX} files and empty folders; this one has more")
    files = [file.path for file in manifest.files]
    for file in manifest.files:
        checked_digest(file.digest)
    paths = set()
    for path in (*files, *manifest.folders):
        if SafePath.parse(path).text != path or not path or path in paths:
            raise Refused("tree.malformed", f"the path {path!r} is empty, twice there or not in its plain form")
        paths.add(path)
    only_files = set(files)
    for path in paths:
        if not only_files.isdisjoint(map(str, Path(path).parents)):
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
    for path in manifest.folders:
        SafePath.parse(path).under(destination).mkdir(parents=True, exist_ok=True)


def mode_of(writable: bool, executable: bool) -> int:
    return (0o555 if executable else 0o444) | (0o200 if writable else 0)
