"""Views in SQLite: one file a view, one thread a file, rows and checkpoint in one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from treering.adapters.incomplete import LOG, Applying, Fold, incomplete_subjects, one_resource, whole_entries
from treering.adapters.incomplete import TABLE as INCOMPLETE_TABLE
from treering.adapters.soundness import Soundness
from treering.adapters.sqlite_faults import cannot_write, is_damage, not_now, roll_back
from treering.adapters.sqlite_kinds import VIEWS, kind_of, marked
from treering.adapters.sqlite_open import MEMORY, lacks_checksums, make_checked, open_shared, remove_database
from treering.kernel.log import Entry
from treering.kernel.projector import Checkpoint, ViewDamaged
from treering.kernel.refusal import Refused

T = TypeVar("T")
INLINE_ENTRIES_MAX = 32  # fewer, if they are small, cost less than handing them to another thread and back
INLINE_BYTES_MAX = 16 * 1024  # one commit may have 10,000 tags, each of them a row in several views
# A checkpoint of SQLite's waits for the disk, so it is made on the thread, before a commit on the loop has to make it.
CHECKPOINT_ENTRIES = 400
CHECKPOINT_SECONDS = 2.0  # pages are checked when they come from the file, not from the write-ahead log
WAL_PAGES_MAX = 16_000
Database = sqlite3.Connection
CHECKPOINT_TABLE = """
CREATE TABLE IF NOT EXISTS checkpoint (
  one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, hash TEXT NOT NULL, version TEXT NOT NULL
)
"""


class View(Protocol):
    """A read model: its tables, and what a batch of entries does to them.

    ``version`` changes with the tables or their meaning; a file of another version is computed again. What ``project``
    does to an entry's resource depends on the entries before it, never on where batches end. ``forget`` drops what is
    remembered of rows.
    """

    name: str
    version: str
    schema: str

    def project(self, db: Database, entries: Sequence[Entry]) -> None: ...

    def forget(self) -> None: ...


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
        self.moving: asyncio.TimerHandle | None = None
        self.applying = Applying(Fold(LOG, whole_entries, one_resource, view.project, view.forget))
        self.incomplete = 0  # how many resources it cannot show; see adapters/incomplete.py
        self.set_aside = asyncio.Event()  # there are more of them
        self.soundness = Soundness(view.name)

    @property
    def damaged(self) -> asyncio.Event:
        return self.soundness.damaged

    async def open(self) -> None:
        self.soundness.loop = asyncio.get_running_loop()
        await self.on_thread(self.connect)

    async def make_again(self) -> None:
        """A new, empty file in place of a damaged one; does nothing when that was done already."""
        self.soundness.damaged.clear()
        await self.on_thread(self.replace_file)

    def replace_file(self) -> None:
        if not self.soundness.needs_file:
            return
        self.opened().close()
        remove_database(self.path)
        self.applying.undone()
        self.soundness.begin_again()
        self.connect()

    async def close(self) -> None:
        if self.moving is not None:
            self.moving.cancel()
        if self.db is not None:
            await self.on_thread(self.db.close)
            self.db = None
        self.thread.shutdown(wait=True)

    def connect(self) -> None:
        try:
            self.db = self.connect_once()
        except sqlite3.DatabaseError as error:
            if not_now(error):
                raise cannot_write(error, self.path) from error
            remove_database(self.path)  # A damaged view costs a rebuild, nothing more.
            self.db = self.connect_once()

    def connect_once(self) -> Database:
        make_checked(self.path)
        db = open_shared(self.path, "NORMAL")
        if not marked(db, VIEWS.get(self.name)):
            self.refuse_kept(db)
            remove_database(self.path)
            return self.connect_once()
        db.row_factory = sqlite3.Row
        db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}")
        db.execute(CHECKPOINT_TABLE)
        row = db.execute("SELECT version, position FROM checkpoint").fetchone()
        unchecked = self.path != MEMORY and lacks_checksums(db)
        if row is not None and (row["version"] != self.view.version or unchecked):
            db.close()
            remove_database(self.path)
            return self.connect_once()
        db.executescript(INCOMPLETE_TABLE + self.view.schema)
        db.execute("INSERT OR IGNORE INTO checkpoint VALUES (1, 0, '', ?)", (self.view.version,))
        self.incomplete = len(incomplete_subjects(db))
        self.soundness.reached.setdefault(self.applying.fold.stream, row["position"] if row else 0)
        return db

    def refuse_kept(self, db: Database) -> None:
        """Close a file of another kind; ``Refused("home.swapped")`` when what is in it cannot be made again."""
        found = kind_of(db)
        db.close()
        if found is not None and found.kept:
            told = f"{self.path} is not the view {self.name}, but {found.what} ({found.where})"
            raise Refused("home.swapped", f"{told}: stop treering and put each file back in its place")

    async def checkpoint(self) -> Checkpoint:
        return await self.on_thread(lambda: self.sound(read_checkpoint))

    async def apply(self, entries: Sequence[Entry]) -> None:
        await self.transact(self.applying, entries, self.move_checkpoint)

    def move_checkpoint(self, db: Database, last: Entry) -> None:
        db.execute("UPDATE checkpoint SET position = ?, hash = ?", (last.position, last.hash()))

    async def transact(
        self, applying: Applying, entries: Sequence[Entry], move_checkpoint: Callable[[Database, Entry], None]
    ) -> None:
        """A batch and its checkpoint in one transaction: a small one at once, a large one on the thread."""

        def work() -> bool:
            return self.transact_now(applying, entries, move_checkpoint)

        inline = few(entries) and not self.on_thread_now
        if work() if inline else await self.on_thread(work):
            self.set_aside.set()
        self.since_checkpoint += len(entries)
        if self.since_checkpoint >= CHECKPOINT_ENTRIES:
            self.begin_move()
        elif self.moving is None:
            self.moving = asyncio.get_running_loop().call_later(CHECKPOINT_SECONDS, self.begin_move)

    def begin_move(self) -> None:
        """Move what stands in the write-ahead log into the file, on the thread."""
        if self.moving is not None:
            self.moving.cancel()
        self.moving, self.since_checkpoint = None, 0
        self.hand_over(self.move_wal)

    def move_wal(self) -> None:
        """What cannot be moved now, for a reader or for want of room, is moved the next time."""
        try:
            self.opened().execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                self.soundness.note(error)

    def transact_now(
        self, applying: Applying, entries: Sequence[Entry], move_checkpoint: Callable[[Database, Entry], None]
    ) -> bool:
        """True when a resource was set aside."""
        db = self.opened()
        try:
            db.execute("BEGIN IMMEDIATE")
            set_aside = applying.apply(db, entries)
            move_checkpoint(db, entries[-1])
            db.execute("COMMIT")
            if set_aside:
                self.incomplete = len(incomplete_subjects(db))
            self.soundness.moved(applying.fold.stream, entries[-1].position)
            return set_aside
        except BaseException as error:
            if isinstance(error, sqlite3.DatabaseError) and is_damage(error):
                raise self.soundness.note(error) from error
            roll_back(db)
            applying.undone()
            if isinstance(error, sqlite3.OperationalError) and not_now(error):
                raise cannot_write(error, self.path) from error
            raise

    async def read(self, query: Callable[[Database], T]) -> T:
        """Run a query where the view lives; it sees whole batches only. Raises ViewDamaged."""
        self.soundness.require()
        return await self.on_thread(lambda: self.sound(query))

    async def when_sound(self, query: Callable[[Database], T], *, by_key: bool = False) -> T:
        """Like ``read`` (or ``peek``, for a look-up by key), for a part of a service that has no client to refuse:
        waits while the view is made again."""
        while True:
            try:
                return await (self.peek(query) if by_key else self.read(query))
            except ViewDamaged:
                await self.soundness.wait()

    async def peek(self, query: Callable[[Database], T]) -> T:
        """Like ``read``, for a look-up by key: at once, unless the thread is at work."""
        if self.on_thread_now:
            return await self.read(query)
        self.soundness.require()
        return self.sound(lambda db: in_one_transaction(db, query))

    def sound(self, query: Callable[[Database], T]) -> T:
        """What the file says, when all that was read of it is as it was written; ViewDamaged otherwise."""
        try:
            return query(self.opened())
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise self.soundness.note(error) from error
            raise

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


def few(entries: Sequence[Entry]) -> bool:
    """Whether they are applied at once, while nothing else is done."""
    return len(entries) <= INLINE_ENTRIES_MAX and sum(len(entry.body) for entry in entries) <= INLINE_BYTES_MAX


def in_one_transaction(db: Database, query: Callable[[Database], T]) -> T:
    """Each statement outside a transaction takes and drops the lock of the file, which costs as much as a look-up."""
    db.execute("BEGIN")
    try:
        return query(db)
    finally:
        roll_back(db)


def read_checkpoint(db: Database) -> Checkpoint:
    row = db.execute("SELECT position, hash FROM checkpoint").fetchone()
    return Checkpoint(row["position"], row["hash"])


def rows(db: Database, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    return [dict(row) for row in db.execute(sql, parameters)]
