"""Is every blob what its name says, and is every blob there that the log names? By the files alone, running or not.

Memory does not grow with the number of blobs: they are hashed one after the other, and what the log says is read from
the second copy commit by commit.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from treering.adapters.blobs import LocalBlobs
from treering.adapters.damaged_blobs import note_damaged, note_well, noted
from treering.adapters.read_only import opened
from treering.adapters.regular_files import open_regular
from treering.adapters.trees import MANIFEST_BYTES_MAX, Manifest
from treering.kernel.blobs import PREFIX
from treering.kernel.log import read_commit
from treering.kernel.refusal import Refused
from treering.kernel.subjects import address_or_none

BAD_MAX = 1000
USERS_MAX = 20
MANIFESTS_MAX = 64
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
FIELDS = ("digest", "code", "logs")  # of events, when what they hold is a whole digest
FOREIGN = ("datasets",)  # their digests are what a script said, and of nothing that is kept here
KINDS_WITHOUT = ("event", "event_schema", "credential", "witness", "metric_stream", "installation")
MANIFEST_BEGINS = b'{"files":['


class BadBlob(Struct, frozen=True):
    """``used_by``: resources as kind/name, at most USERS_MAX; with the file's path in a folder: ``job/a: model/x``."""

    digest: str
    problem: str  # "changed", "unreadable" or "missing"
    path: str
    used_by: list[str]


class BlobsChecked(Struct, frozen=True):
    """``bad`` has at most BAD_MAX; ``mended`` were put back from a backup."""

    blobs: int
    size_bytes: int
    bad: list[BadBlob]
    mended: int = 0


class BlobCheck:
    """One run over the blobs in the folder ``root`` and the second copy in the file ``copy``."""

    def __init__(self, root: Path, copy: Path, moved: Callable[[int], None] = lambda count: None) -> None:
        self.store = LocalBlobs(root)
        self.copy = copy
        self.moved = moved
        self.problems: dict[str, str] = {}
        self.users: dict[str, list[str]] = {}
        self.files_of = lru_cache(MANIFESTS_MAX)(self.read_files)

    def run(self) -> BlobsChecked:
        """Also brings the notes about damaged blobs (see damaged_blobs.py) up to what is so now."""
        blobs, size_bytes = self.hash_all()
        for digest in noted(self.store.root):
            if digest not in self.problems:
                note_well(self.store.root, digest)
        self.follow_all()
        bad = [
            BadBlob(digest, problem, str(self.store.path_of(digest)), self.users.get(digest, []))
            for digest, problem in sorted(self.problems.items())
        ]
        return BlobsChecked(blobs, size_bytes, bad)

    def hash_all(self) -> tuple[int, int]:
        count = size_bytes = 0
        for path in (self.store.root / "sha256").glob("??/*"):
            if not DIGEST.fullmatch(PREFIX + path.name):
                continue
            count += 1
            size_bytes += path.stat().st_size
            if problem := problem_of(path):
                self.found(PREFIX + path.name, problem)
                note_damaged(self.store.root, PREFIX + path.name)
            self.moved(count)
        return count, size_bytes

    def found(self, digest: str, problem: str) -> None:
        if len(self.problems) < BAD_MAX or digest in self.problems:
            self.problems.setdefault(digest, problem)

    def follow_all(self) -> None:
        """Each digest that the log names, and those of the files of a folder: is it there, and is it good?"""
        for whose, digest in named_in(self.copy):
            self.follow_with_files(whose, digest)

    def follow_with_files(self, whose: str, digest: str) -> None:
        self.follow(digest, whose)
        for path, one in self.files_of(digest):
            self.follow(one, f"{whose}: {path}")

    def follow(self, digest: str, whose: str) -> None:
        if digest not in self.problems and not self.store.path_of(digest).exists():
            self.found(digest, "missing")
        if digest in self.problems:
            users = self.users.setdefault(digest, [])
            if whose not in users and len(users) < USERS_MAX:
                users.append(whose)

    def read_files(self, digest: str) -> tuple[tuple[str, str], ...]:
        """(path, digest) of the files of a folder; nothing for a blob that is no folder, or is not good itself."""
        path = self.store.path_of(digest)
        if digest in self.problems or not path.exists() or path.stat().st_size > MANIFEST_BYTES_MAX:
            return ()
        with path.open("rb") as file:
            if file.read(len(MANIFEST_BEGINS)) != MANIFEST_BEGINS:
                return ()
        try:
            files = msgspec.json.decode(path.read_bytes(), type=Manifest).files
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return ()
        return tuple((file.path, file.digest) for file in files if DIGEST.fullmatch(file.digest))


def problem_of(path: Path) -> str:
    try:
        with open_regular(path) as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == path.name
    except (OSError, Refused):
        return "unreadable"
    return "" if same else "changed"


def named_in(copy: Path) -> Iterator[tuple[str, str]]:
    """(resource, digest) for every blob that a commit names; ``Refused("log.copy_unreadable")``."""
    if not copy.exists():
        return
    try:
        with opened(copy) as db:
            for subject, body in db.execute("SELECT subject, body FROM commits ORDER BY position"):
                if PREFIX.encode() not in body:
                    continue
                address, commit = address_or_none(subject), read_commit(body)
                if address is None or commit is None:
                    continue  # No commit of ours names a blob there.
                if address.kind not in KINDS_WITHOUT:
                    for digest in digests_in(msgspec.json.decode(commit.events)):
                        yield f"{address}", digest
    except (sqlite3.DatabaseError, msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise Refused("log.copy_unreadable", f"{copy} cannot be read: {error}; see `treering log verify`") from None


def digests_in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from digests_in(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in FIELDS and isinstance(one, str) and DIGEST.fullmatch(one):
                yield one
            elif name not in FOREIGN:
                yield from digests_in(one)


async def mend(root: Path, bad: list[BadBlob], backup: Path) -> list[BadBlob]:
    """Put back what the backup's blobs have whole; those that stay bad. A changed file is kept beside its place."""
    store, source = LocalBlobs(root), LocalBlobs(backup)
    left: list[BadBlob] = []
    for one in bad:
        good = source.path_of(one.digest)
        if not good.exists() or problem_of(good):
            left.append(one)
            continue
        path = store.path_of(one.digest)
        if path.exists():
            path.replace(path.with_name(f".{path.name}.damaged"))
        await store.put_file(good)
    return left
