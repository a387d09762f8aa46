"""The second copy of the log: every commit's bytes with its hash, verified before it is stored, on its own disk file.

Unlike a view it is data. It is never thrown away by itself: a damaged copy is an error that says what to do.
Each row's ``chain`` is the SHA-256 of the chain before and the row's hash, so one value stands for all of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from treering.adapters.sqlite_view import Database
from treering.kernel.log import Entry, LogDamaged, commits
from treering.kernel.projector import Checkpoint

T = TypeVar("T")
FILE_NAME = "log.db"
FORMAT = 1
LAST_MAX = 20_000
START = bytes(32)  # the chain before the first commit
SCHEMA = """
CREATE TABLE IF NOT EXISTS commits (
  position INTEGER PRIMARY KEY, subject TEXT NOT NULL, version INTEGER NOT NULL,
  body BLOB NOT NULL, hash BLOB NOT NULL, chain BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS commits_subject ON commits (subject, position);
"""


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
    version: int
    body: bytes
    hash: bytes
    chain: bytes


class Last(NamedTuple):
    """A subject's last commit: its version and hash."""

    version: int
    hash: bytes


class LogCopy:
    """The ``ViewStore`` port on the copy's file; everything runs on a thread of its own."""

    name = "copy"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="log-copy")
        self.db: Database | None = None
        self.last: OrderedDict[str, Last] = OrderedDict()

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
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA busy_timeout = 5000")
            check_format(db, self.path)
            db.executescript(SCHEMA)
            head = head_row(db)
            if head is not None:
                check_row(head, chain_before(db, head.position), self.path)
        except sqlite3.DatabaseError as error:
            db.close()
            raise CopyDamaged(0, f"the second copy cannot be read: {error}. {advice(self.path)}") from None
        except BaseException:
            db.close()
            raise
        self.db = db

    async def checkpoint(self) -> Checkpoint:
        head = await self.read(head_row)
        return Checkpoint(head.position, head.hash.hex()) if head else Checkpoint(0, "")

    async def apply(self, entries: Sequence[Entry]) -> None:
        """Verify and store a batch, all or nothing; LogDamaged names the first position that does not continue."""
        await self.on_thread(lambda: self.apply_now(entries))

    def apply_now(self, entries: Sequence[Entry]) -> None:
        db = self.opened()
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?)", self.verified(db, entries))
            db.execute("COMMIT")
        except BaseException:
            self.last.clear()
            db.execute("ROLLBACK")
            raise

    def verified(self, db: Database, entries: Sequence[Entry]) -> Iterator[CopyRow]:
        head = head_row(db)
        position, chain = (head.position, head.chain) if head else (0, START)
        for entry in entries:
            if entry.position != position + 1:
                due = position + 1
                raise BadPosition(due, f"position {due} of the log is missing: {entry.position} came after {position}")
            last = self.last.get(entry.subject) or last_of(db, entry.subject)
            version = continued(entry, last)
            hash = digest(entry.subject, entry.body)
            chain = hashlib.sha256(chain + hash).digest()
            position = entry.position
            self.remember(entry.subject, Last(version, hash))
            yield CopyRow(position, entry.subject, version, entry.body, hash, chain)

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
        except sqlite3.OperationalError:
            raise  # A full disk, say: nothing is wrong with what is stored.
        except sqlite3.DatabaseError as error:
            raise CopyDamaged(0, f"the second copy cannot be used: {error}. {advice(self.path)}") from error


def digest(subject: str, body: bytes) -> bytes:
    """The commit's hash (see ``commit_hash``) as 32 bytes."""
    return hashlib.sha256(subject.encode() + b"\n" + body).digest()


def continued(entry: Entry, last: Last | None) -> int:
    """The version of ``entry`` if it is the next commit of its subject, else LogDamaged."""
    try:
        commit = commits.decode(entry.body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        why = f"position {entry.position} of the log ({entry.subject}) is not a commit: {error}"
        raise BadPosition(entry.position, why) from None
    version, prev = (last.version + 1, last.hash.hex()) if last else (1, "")
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
    elif found != FORMAT:
        raise CopyDamaged(0, f"the second copy {path} has format {found}, this release reads {FORMAT}")


def check_row(row: CopyRow, before: bytes, path: Path) -> None:
    """Raise CopyDamaged unless ``row`` hashes to what it says and continues the chain ``before``."""
    hash = digest(row.subject, row.body)
    if hash != row.hash or hashlib.sha256(before + hash).digest() != row.chain:
        raise copy_damaged(row.position, path)


def copy_damaged(position: int, path: Path) -> CopyDamaged:
    return CopyDamaged(position, f"position {position} of the second copy is not what was stored. {advice(path)}")


def advice(path: Path) -> str:
    return f"If the log is well (treering log verify), move {path} away: the monitor then makes a new copy from the log"


def row_of(row: sqlite3.Row) -> CopyRow:
    return CopyRow(*row)


def head_row(db: Database) -> CopyRow | None:
    found = db.execute("SELECT * FROM commits ORDER BY position DESC LIMIT 1").fetchone()
    return row_of(found) if found else None


def chain_before(db: Database, position: int) -> bytes:
    """The chain value before ``position``; an empty one, that nothing continues, when that row is missing."""
    if position == 1:
        return START
    found = db.execute("SELECT chain FROM commits WHERE position = ?", (position - 1,)).fetchone()
    return bytes(found["chain"]) if found else b""


def last_of(db: Database, subject: str) -> Last | None:
    sql = "SELECT version, hash FROM commits WHERE subject = ? ORDER BY position DESC LIMIT 1"
    found = db.execute(sql, (subject,)).fetchone()
    return Last(found["version"], found["hash"]) if found else None


def rows_between(db: Database, first: int, last: int) -> list[CopyRow]:
    return [CopyRow(*row) for row in raw_rows(db, first, last)]


def raw_rows(db: Database, first: int, last: int) -> list[tuple[Any, ...]]:
    """The columns of a CopyRow as plain tuples: a whole scrub makes a million of them."""
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor.execute(
        "SELECT * FROM commits WHERE position BETWEEN ? AND ? ORDER BY position", (first, last)
    ).fetchall()
