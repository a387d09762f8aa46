"""What a backup is made of: one folder, whose manifest says what counts and is written last.

    backup.json    the manifest: up to where the log goes, its root, the points, the blobs, how the keys are kept
    log.db         the log, in the form of the second copy; grows with each backup
    points.db      the metric points of the stream MET, in the same form
    deliveries.db  which webhook has been told what, and what none would take
    blobs/         blobs by digest, each copied once; blobs.list says which of them belong to this backup
    keys.sealed    the keys, encrypted by a passphrase, when one was given

A backup that broke off leaves the manifest of the one before, and more than it speaks of: the next one goes on there.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from treering.adapters.log_copy import LogCopy, frontier_at, head_row
from treering.adapters.nats_credentials import write_private
from treering.adapters.special_files import special_kind
from treering.kernel.decoding import decode
from treering.kernel.refusal import Refused

FORMAT = 1
MANIFEST_BYTES_MAX = 1024 * 1024
Keys = Literal["sealed", "apart", "none"]


class Tree(Struct, frozen=True):
    """The first ``positions`` messages of a stream, and the root of the Merkle tree over them in hex."""

    positions: int
    root: str


class BlobSet(Struct, frozen=True):
    """``list_sha256`` is over blobs.list: sorted digests, a line each."""

    count: int
    size_bytes: int
    list_sha256: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    release: str
    at: datetime
    log: Tree
    points: Tree
    blobs: BlobSet
    keys: Keys
    files: dict[str, str] = {}  # small files by their path below the home: the signed checkpoint, the witnesses
    deliveries_sha256: str = ""  # of deliveries.db, "" where no webhook was ever made


class Layout:
    """The files of the backup in ``folder``, which for a while holds those of ``archive`` where that is given."""

    def __init__(self, folder: Path, archive: Path | None = None) -> None:
        self.folder, self.archive = folder, archive
        self.manifest = folder / "backup.json"
        self.log = folder / "log.db"
        self.points = folder / "points.db"
        self.deliveries = folder / "deliveries.db"
        self.blobs = folder / "blobs"
        self.blob_list = folder / "blobs.list"
        self.keys = folder / "keys.sealed"
        self.lock = folder / "lock"

    def read_manifest(self) -> Manifest | None:
        """None where no backup was ever finished; ``Refused("backup.invalid")`` for one we cannot read."""
        self.refuse_other_forms()
        if not self.manifest.exists():
            return None
        name = self.named(self.manifest)
        try:
            manifest = decode(self.manifest.read_bytes(), Manifest, code="backup.invalid", bytes_max=MANIFEST_BYTES_MAX)
        except Refused as refused:
            raise Refused(refused.code, f"{name} is no manifest: {refused.detail}; use another backup") from None
        if manifest.format != FORMAT:
            raise Refused("backup.invalid", f"{name} has format {manifest.format}, this release reads {FORMAT}")
        return manifest

    def refuse_other_forms(self) -> None:
        """``Refused("backup.invalid")`` where a file of it is a folder, or a FIFO, which would never answer."""
        for path in (self.manifest, self.log, self.points, self.deliveries, self.blob_list, self.keys, self.lock):
            if path.exists() and not path.is_file():
                kind = special_kind(path) or "a folder"
                raise Refused(
                    "backup.invalid", f"{path} is {kind}, and a file is due: move it away, or use another one"
                )

    def require_whole(self, manifest: Manifest) -> None:
        """``Refused("backup.damaged")`` unless every file is there that the manifest counts on."""
        needed = {
            self.log: manifest.log.positions, self.points: manifest.points.positions, self.blob_list: True,
            self.deliveries: manifest.deliveries_sha256, self.keys: manifest.keys == "sealed",
        }  # fmt: skip
        for path, is_needed in needed.items():
            if is_needed and not path.exists():
                raise damaged(f"{self.named(path)} is missing")

    def named(self, path: Path) -> str:
        """The file in sentences: what was unpacked is gone when they are read."""
        return f"{path.name} of {self.archive}" if self.archive else str(path)

    def write_manifest(self, manifest: Manifest) -> None:
        write_private(self.manifest, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def damaged(what: str) -> Refused:
    return Refused("backup.damaged", f"{what}; use another backup, or make one anew into an empty folder")


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_text(digests: list[str]) -> bytes:
    return "".join(f"{digest}\n" for digest in sorted(digests)).encode()


def list_hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


async def tree_of(copy: LogCopy, positions: int | None = None) -> Tree:
    """What ``copy`` holds, or its first ``positions``; from the hashes stored with them."""
    head = await copy.read(head_row)
    size = (head.position if head else 0) if positions is None else positions
    tree = await copy.read(lambda db: frontier_at(db, size))
    return Tree(size, tree.root().hex())
