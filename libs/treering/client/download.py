"""Brings trees and blobs of an installation into a folder here."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import anyio

from treering.adapters.http_blobs import HttpBlobs
from treering.adapters.trees import TreeFile, read_manifest
from treering.client.http import Client
from treering.kernel.blobs import PREFIX
from treering.kernel.ending import run_together
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath

FILES_AT_ONCE = 4


class Downloaded(NamedTuple):
    files: int
    size_bytes: int


def download_tree(client: Client, digest: str, folder: Path) -> Downloaded:
    """Lay a tree out below ``folder``, empty folders too; files that are there already are replaced, others stay.

    Raises ``Refused`` (``blob.*``, ``tree.malformed``, ``path.unsafe``, ``file.unwritable``), ``ApiError``,
    ``Unreachable``.
    """
    return anyio.run(tree_into, HttpBlobs(client), digest, folder)


async def tree_into(blobs: HttpBlobs, digest: str, folder: Path) -> Downloaded:
    manifest = await read_manifest(blobs, digest)
    permits = anyio.Semaphore(FILES_AT_ONCE)
    make_folder(folder)

    async def fetch(file: TreeFile) -> None:
        async with permits:
            await file_into(blobs, file, SafePath.parse(file.path).under(folder))

    await run_together(*(fetch(file) for file in manifest.files))
    for path in manifest.folders:
        make_folder(SafePath.parse(path).under(folder))
    return Downloaded(len(manifest.files), sum(file.size for file in manifest.files))


def make_folder(folder: Path) -> None:
    """``Refused("file.unwritable")`` where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused("file.unwritable", f"{folder}: {error.strerror or error}") from None


async def file_into(blobs: HttpBlobs, file: TreeFile, target: Path) -> None:
    """One file, which gets its name only when it is whole and what it should be."""
    hash = hashlib.sha256()
    partial = target.with_name(f".{uuid4().hex}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as opened:
            async for chunk in blobs.read(file.digest):
                hash.update(chunk)
                opened.write(chunk)
        if PREFIX + hash.hexdigest() != file.digest:
            why = f"{file.path!r} is not what was stored: the blob {file.digest} was changed where it is kept"
            raise Refused("blob.digest_mismatch", f"{why}; `treering blob verify` there says more, and mends it")
        partial.chmod(0o755 if file.executable else 0o644)
        partial.replace(target)
    except OSError as error:
        raise Refused("file.unwritable", f"{target}: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
