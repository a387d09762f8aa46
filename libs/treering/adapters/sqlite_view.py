"""Views in SQLite: one file a view, one thread a file, rows and checkpoint in one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from treering.kernel.log import Entry
from treering.kernel.projector import Checkpoint

T = TypeVar("T")
INLINE_ENTRIES_MAX = 32  # fewer cost less than handing them to another thread and back
# A checkpoint of SQLite's waits for the disk, so it is made on the thread, before a commit on the loop has to make it.
CHECKPOINT_ENTRIES = 400
WAL_PAGES_MAX = 16_000
Database = sqlite3.Connection
CHECKPOINT_TABLE = """
CREATE TABLE IF NOT EXISTS checkpoint (
  one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, hash TEXT NOT NULL, version TEXT NOT NULL
)
"""
STREAMS_TABLE = """
CREATE TABLE IF NOT EXISTS streams (name TEXT PRIMARY KEY, position INTEGER NOT NULL, hash TEXT NOT NULL)
"""


class View(Protocol):
    """A read model: its tables, and what a batch of entries does to them.

    ``version`` changes with the tables or their meaning; a file of another version is computed again.
    """

    name: str
    version: str
    schema: str

    def project(self, db: Database, entries: Sequence[Entry]) -> None: ...


class SqliteView:
    """The ``ViewStore`` port on a file (or ``:memory:``). Reads go through ``read`` on the same thread."""

    def __init__(self, view: View, path: Path | str) -> None:
        self.view = view
        self.name = view.name
        self.path = path
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"view-{view.name}")
        self.db: Database | None = None
        self.on_thread_now = 0
        self.since_checkpoint = 0

    async def open(self) -> None:
        await self.on_thread(self.connect)

    async def close(self) -> None:
        if self.db is not None:
            await self.on_thread(self.db.close)
            self.db = None
        self.thread.shutdown(wait=True)

    def connect(self) -> None:
        try:
            self.db = self.connect_once()
        except sqlite3.DatabaseError:
            self.discard()  # A damaged view costs a rebuild, nothing more.
            self.db = self.connect_once()

    def connect_once(self) -> Database:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA busy_timeout = 5000")
        db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}")
        db.execute(CHECKPOINT_TABLE)
        row = db.execute("SELECT version FROM checkpoint").fetchone()
        if row is not None and row["version"] != self.view.version:
            db.close()
            self.discard()
            return self.connect_once()
        db.executescript(self.view.schema)
        db.execute("INSERT OR IGNORE INTO checkpoint VALUES (1, 0, '', ?)", (self.view.version,))
        return db

    def discard(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    async def checkpoint(self) -> Checkpoint:
        return await self.read(read_checkpoint)

    async def apply(self, entries: Sequence[Entry]) -> None:
        await self.transact(len(entries), lambda db: self.write(db, entries))

    def write(self, db: Database, entries: Sequence[Entry]) -> None:
        self.view.project(db, entries)
        last = entries[-1]
        db.execute("UPDATE checkpoint SET position = ?, hash = ?", (last.position, last.hash()))

    async def transact(self, entries: int, work: Callable[[Database], None]) -> None:
        """Do ``work`` on a batch of ``entries`` in one transaction: a small one at once, a large one on the thread."""
        if entries <= INLINE_ENTRIES_MAX and not self.on_thread_now:
            self.transact_now(work)
        else:
            await self.on_thread(lambda: self.transact_now(work))
        self.since_checkpoint += entries
        if self.since_checkpoint >= CHECKPOINT_ENTRIES:
            self.since_checkpoint = 0
            self.hand_over(self.move_wal)

    def move_wal(self) -> None:
        """What cannot be moved now, for a reader or for want of room, is moved the next time."""
        with suppress(sqlite3.OperationalError):
            self.opened().execute("PRAGMA wal_checkpoint(PASSIVE)")

    def transact_now(self, work: Callable[[Database], None]) -> None:
        db = self.opened()
        db.execute("BEGIN IMMEDIATE")
        try:
            work(db)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise

    async def read(self, query: Callable[[Database], T]) -> T:
        """Run a query where the view lives; it sees whole batches only."""
        return await self.on_thread(lambda: query(self.opened()))

    async def peek(self, query: Callable[[Database], T]) -> T:
        """Like ``read``, for a look-up by key: at once, unless the thread is at work."""
        return await self.read(query) if self.on_thread_now else query(self.opened())

    def opened(self) -> Database:
        if self.db is None:
            raise RuntimeError(f"the view {self.name} is not open")
        return self.db

    async def on_thread(self, work: Callable[[], T]) -> T:
        return await self.hand_over(work)

    def hand_over(self, work: Callable[[], T]) -> asyncio.Future[T]:
        self.on_thread_now += 1
        future = asyncio.get_running_loop().run_in_executor(self.thread, work)
        future.add_done_callback(self.off_thread)
        return future

    def off_thread(self, _: asyncio.Future[T]) -> None:
        self.on_thread_now -= 1


class SecondStream:
    """The ``ViewStore`` port for another stream that is projected into the file of ``store``.

    It has a checkpoint of its own, written in the same transaction as its rows. A file that is computed again
    starts again with both.
    """

    def __init__(self, store: SqliteView, name: str, project: Callable[[Database, Sequence[Entry]], None]) -> None:
        self.store = store
        self.name = name
        self.project = project

    async def open(self) -> None:
        await self.store.on_thread(lambda: self.store.opened().executescript(STREAMS_TABLE))

    async def forget(self) -> None:
        """The stream began anew: what came of the one before stays, and every entry of this one is new."""
        sql = "DELETE FROM streams WHERE name = ?"
        await self.store.on_thread(lambda: self.store.opened().execute(sql, (self.name,)))

    async def checkpoint(self) -> Checkpoint:
        return await self.store.read(self.read_checkpoint)

    def read_checkpoint(self, db: Database) -> Checkpoint:
        row = db.execute("SELECT position, hash FROM streams WHERE name = ?", (self.name,)).fetchone()
        return Checkpoint(row["position"], row["hash"]) if row else Checkpoint(0, "")

    async def apply(self, entries: Sequence[Entry]) -> None:
        await self.store.transact(len(entries), lambda db: self.write(db, entries))

    def write(self, db: Database, entries: Sequence[Entry]) -> None:
        self.project(db, entries)
        last = entries[-1]
        db.execute("INSERT OR REPLACE INTO streams VALUES (?, ?, ?)", (self.name, last.position, last.hash()))


def read_checkpoint(db: Database) -> Checkpoint:
    row = db.execute("SELECT position, hash FROM checkpoint").fetchone()
    return Checkpoint(row["position"], row["hash"])


def rows(db: Database, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    return [dict(row) for row in db.execute(sql, parameters)]
