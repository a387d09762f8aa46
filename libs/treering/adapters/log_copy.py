"""The second copy of the log: every commit's bytes with its Merkle hashes, verified before it is stored.

Unlike a view it is data. It is never thrown away by itself: a damaged copy is an error that says what to do.
Each row's ``hashes`` are the leaf hash of the commit and those of the complete subtrees that end with it
(``kernel.merkle``), so the root over all of it, and any proof, is a few look-ups away.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from treering.adapters import sqlite_kinds
from treering.adapters.sqlite_faults import cannot_write, not_now, roll_back
from treering.adapters.sqlite_open import closed_on_failure, open_shared
from treering.adapters.sqlite_view import Database
from treering.kernel.log import Commit, Entry, LogDamaged, commit_hash, read_commit
from treering.kernel.merkle import HASH_BYTES, Frontier, frontier, leaf_hash
from treering.kernel.projector import Checkpoint

T = TypeVar("T")
FILE_NAME = "log.db"
FORMAT = 2
LAST_MAX = 20_000
PAGE_MAX, PAGE_BYTES_MAX = 200, 8 * 1024 * 1024
# SQLite quotes what it cannot read in its messages, and Python then cannot read the message.
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
# ``hashes`` stands before ``body``: a proof then never reads the pages of a long one.
SCHEMA = """
CREATE TABLE IF NOT EXISTS commits (
  position INTEGER PRIMARY KEY, subject TEXT NOT NULL, hashes BLOB NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS commits_subject ON commits (subject, position);
"""


BETWEEN = "SELECT * FROM commits WHERE position BETWEEN ? AND ? ORDER BY position"
INSERT = "INSERT INTO commits VALUES (?, CAST(? AS TEXT), ?, ?)"


class BadPosition(LogDamaged):
    """The log, or the copy, is not what it was at ``position``; 0 when it is not known where."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position = position


class CopyDamaged(BadPosition):
    """The second copy is not what it was, while the log may be well."""


class CopyRow(NamedTuple):
    position: int
    subject: str
    hashes: bytes
    body: bytes


class Source(NamedTuple):
    """The stream that a copy is of, and what it is called in sentences."""

    stream: str
    subject: str
    said: str


class Last(NamedTuple):
    """A subject's last commit: its version and hash."""

    version: int
    hash: str


class LogCopy:
    """The ``ViewStore`` port on the copy's file; everything runs on a thread of its own."""

    name = "copy"
    kind = sqlite_kinds.LOG
    source = Source("EVT", "evt.>", "the log")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="log-copy")
        self.db: Database | None = None
        self.last: OrderedDict[str, Last] = OrderedDict()
        self.tree = Frontier()
        self.inode = 0

    async def open(self) -> None:
        """Open or make the file; CopyDamaged when it cannot be read or its head does not hash."""
        try:
            await self.on_thread(self.connect)
        except BaseException:
            self.thread.shutdown(wait=True)
            raise

    async def close(self) -> None:
        if self.db is not None:
            await self.on_thread(self.db.close)
            self.db = None
        self.thread.shutdown(wait=True)

    def connect(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            db = open_shared(self.path, "FULL")
            with closed_on_failure(db):
                self.check(db)
        except UNREADABLE as error:
            if not_now(error):
                raise cannot_write(error, self.path) from error
            told = f"{said_of(self.path)} {self.path} cannot be read: {error}"
            raise CopyDamaged(0, f"{told}. {advice(self.path)}") from None
        self.db, self.inode = db, self.path.stat().st_ino

    def require_there(self) -> None:
        """CopyDamaged when the file was removed, or another has taken its place: SQLite goes on writing to the old one,
        which is gone when this process ends."""
        try:
            here = self.path.stat().st_ino
        except FileNotFoundError:
            here = 0
        home = self.path.parent.parent
        if not home.exists():
            told = f"{home} was removed or renamed while treering runs, with {said_of(self.path)} in it"
            raise CopyDamaged(
                0, f"{told}. What was renamed is whole: put it back in its place, or start it where it is"
            )
        if here != self.inode:
            told = f"{said_of(self.path)} {self.path} was removed or replaced while treering runs. Stop treering; then"
            raise CopyDamaged(0, f"{told} {advice(self.path)}, or put it back")

    def check(self, db: Database) -> None:
        db.row_factory = sqlite3.Row
        db.text_factory = any_text
        if not sqlite_kinds.marked(db, self.kind):
            told = f"{self.path} is not {self.kind.what}: files have changed places. Put each back in its place"
            raise CopyDamaged(0, f"{told}. Where the right one is lost, {advice(self.path)}")
        check_format(db, self.path)
        db.executescript(SCHEMA)
        head = head_row(db)
        if head is not None:
            self.tree = frontier_at(db, head.position - 1)
            check_row(head, self.tree, self.path)

    async def checkpoint(self) -> Checkpoint:
        head = await self.read(head_row)
        return Checkpoint(head.position, commit_hash(head.subject, head.body)) if head else Checkpoint(0, "")

    async def apply(self, entries: Sequence[Entry]) -> None:
        """Verify and store a batch, all or nothing; LogDamaged names the first position that does not continue."""
        await self.on_thread(lambda: self.apply_now(entries))

    def apply_now(self, entries: Sequence[Entry]) -> None:
        self.require_there()
        db, tree = self.opened(), self.tree.copy()
        try:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(INSERT, map(as_stored, self.verified(db, entries, tree)))
            db.execute("COMMIT")
        except BaseException:
            self.last.clear()
            roll_back(db)
            raise
        self.tree = tree

    def verified(self, db: Database, entries: Sequence[Entry], tree: Frontier) -> Iterator[CopyRow]:
        for entry in entries:
            if entry.position != tree.size + 1:
                due = tree.size + 1
                raise BadPosition(due, f"position {due} of the log is missing: {entry.position} came after {tree.size}")
            commit = read_commit(entry.body)
            if commit is not None:  # Bytes that are no commit are kept as they came; the views report them.
                last = self.last.get(entry.subject) or last_of(db, entry.subject)
                version = continued(entry, commit, last)
                self.remember(entry.subject, Last(version, entry.hash()))
            yield CopyRow(entry.position, entry.subject, tree.append(leaf_of(entry.subject, entry.body)), entry.body)

    def remember(self, subject: str, last: Last) -> None:
        self.last[subject] = last
        self.last.move_to_end(subject)
        if len(self.last) > LAST_MAX:
            self.last.popitem(last=False)

    async def read(self, query: Callable[[Database], T]) -> T:
        """Run a query on the copy's thread; CopyDamaged when SQLite cannot read the file."""
        return await self.on_thread(lambda: query(self.opened()))

    def opened(self) -> Database:
        if self.db is None:
            raise RuntimeError("the second copy is not open")
        return self.db

    async def on_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.thread, work)
        except UNREADABLE as error:
            if not_now(error):  # A full disk, say: nothing is wrong with what is stored.
                raise cannot_write(error, self.path) from error
            raise CopyDamaged(0, f"{said_of(self.path)} cannot be used: {error}. {advice(self.path)}") from error


def as_stored(row: CopyRow) -> tuple[Any, ...]:
    """The columns of a row: a subject that is no UTF-8 is stored as the bytes it has."""
    subject = row.subject if row.subject.isascii() else row.subject.encode(errors="surrogateescape")
    return (row.position, subject, row.hashes, row.body)


def leaf_of(subject: str, body: bytes) -> bytes:
    """The commit's leaf hash in the log's tree: over the same bytes as ``commit_hash``."""
    return leaf_hash(subject.encode(errors="surrogateescape") + b"\n" + body)


def any_text(data: bytes) -> str:
    """Text of the file, also such as is no UTF-8: that is damage to be named, and not an error of SQLite's."""
    return data.decode(errors="surrogateescape")


def continued(entry: Entry, commit: Commit, last: Last | None) -> int:
    """The version of ``entry`` if it is the next commit of its subject, else LogDamaged."""
    version, prev = (last.version + 1, last.hash) if last else (1, "")
    if commit.version != version or commit.prev != prev:
        raise BadPosition(
            entry.position,
            f"position {entry.position} of the log ({entry.subject}) is version {commit.version} after "
            f"{commit.prev[:12] or 'nothing'}; version {version} after {prev[:12] or 'nothing'} was due",
        )
    return version


def check_format(db: Database, path: Path) -> None:
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found == 0:
        db.execute(f"PRAGMA user_version = {FORMAT}")
    elif found == 1:
        from treering.adapters.log_copy_upgrade import upgrade  # Only a copy of the first release needs it.

        upgrade(db, path)
    elif found != FORMAT:
        raise CopyDamaged(0, f"the second copy {path} has format {found}, this release reads {FORMAT}")


def check_row(row: CopyRow, tree: Frontier, path: Path) -> None:
    """Add ``row`` to the ``tree`` before it; CopyDamaged unless the hashes it was stored with are the right ones."""
    if not isinstance(row.subject, str) or not isinstance(row.body, bytes):
        raise copy_damaged(row.position, path)
    if tree.append(leaf_of(row.subject, row.body)) != row.hashes:
        raise copy_damaged(row.position, path)


def copy_damaged(position: int, path: Path) -> CopyDamaged:
    return CopyDamaged(position, f"position {position} of {said_of(path)} is not what was stored. {advice(path)}")


def said_of(path: Path) -> str:
    """What the file ``path`` is called in sentences: the copy of the points is checked by the same code."""
    return "the second copy of the metric points" if path.name.startswith("points.") else "the second copy"


def advice(path: Path) -> str:
    """What mends ``path``. Not to move it away: a copy made anew without a look at the signatures proves nothing."""
    return f"`treering log recopy` makes {path} again from the log, when that is what was signed"


def head_row(db: Database) -> CopyRow | None:
    found = db.execute("SELECT * FROM commits ORDER BY position DESC LIMIT 1").fetchone()
    return CopyRow(*found) if found else None


def node_at(db: Database, level: int, index: int) -> bytes:
    """The hash of a complete subtree as it was stored; an empty one, that nothing continues, when it is gone."""
    sql = "SELECT substr(hashes, ?, ?) FROM commits WHERE position = ?"
    found = db.execute(sql, (level * HASH_BYTES + 1, HASH_BYTES, (index + 1) << level)).fetchone()
    return bytes(found[0]) if found else b""


def frontier_at(db: Database, size: int) -> Frontier:
    """The right edge of the tree over the first ``size`` positions, from the hashes that were stored with them."""
    return frontier(size, partial(node_at, db))


def last_of(db: Database, subject: str) -> Last | None:
    sql = "SELECT body FROM commits WHERE subject = CAST(? AS TEXT) ORDER BY position DESC"
    for (body,) in db.execute(sql, (subject if subject.isascii() else subject.encode(errors="surrogateescape"),)):
        if (commit := read_commit(body)) is not None:
            return Last(commit.version, commit_hash(subject, body))
    return None


def rows_between(db: Database, first: int, last: int) -> list[CopyRow]:
    return [CopyRow(*row) for row in raw_rows(db, first, last)]


def each_row(db: Database, first: int, last: int) -> Iterator[CopyRow]:
    """As ``rows_between``, read one by one: a row may have 32 MiB."""
    cursor = db.cursor()
    cursor.row_factory = None
    return map(CopyRow._make, cursor.execute(BETWEEN, (first, last)))


def page_between(db: Database, first: int, last: int) -> list[CopyRow]:
    """As ``rows_between``, but it ends early when the rows together are large."""
    found: list[CopyRow] = []
    left_bytes = PAGE_BYTES_MAX
    for row in each_row(db, first, last):
        found.append(row)
        left_bytes -= len(row.body)
        if left_bytes <= 0:
            break
    return found


async def pages_between(copy: LogCopy, first: int, last: int) -> AsyncIterator[list[CopyRow]]:
    """All rows from ``first`` to ``last``, in pages that memory has room for; it ends where there are none."""
    while first <= last:
        page = await copy.read(partial(page_between, first=first, last=min(first + PAGE_MAX - 1, last)))
        if not page:
            return
        yield page
        first = page[-1].position + 1


def raw_rows(db: Database, first: int, last: int) -> list[tuple[Any, ...]]:
    """The columns of a CopyRow as plain tuples: a whole scrub makes a million of them."""
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor.execute(BETWEEN, (first, last)).fetchall()
