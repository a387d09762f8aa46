"""The words of every event, to be found by: an FTS5 index in a file of its own, filled behind the audit view.

It keeps no text, only which words stand in which row. It may be behind: whoever asks lets it catch up first,
so an answer is always about all events the audit view has.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from treering.adapters.soundness import Soundness
from treering.adapters.sqlite_faults import cannot_write, is_damage, not_now, roll_back
from treering.adapters.sqlite_kinds import VIEWS, marked
from treering.adapters.sqlite_open import lacks_checksums, make_checked, open_shared, read_only_uri, remove_database
from treering.adapters.sqlite_view import Database
from treering.kernel.disk import CannotWrite, until_written
from treering.kernel.projector import ViewDamaged
from treering.kernel.refusal import Refused

T = TypeVar("T")
NAME = "search"
VERSION = 1
ROWS_MAX = 5000  # in one transaction
BACKLOG_MAX = 100_000  # rows a question waits for; more are a rebuild under way
GATHER_SECONDS = 1.0
WORDS_MAX = 16
SCHEMA = """
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
  text, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TABLE IF NOT EXISTS mark (one INTEGER PRIMARY KEY CHECK (one = 1), id INTEGER NOT NULL, commit_id TEXT NOT NULL);
INSERT OR IGNORE INTO mark VALUES (1, 0, '');
"""
# The name, and the JSON with its escaped line ends and tabs as blanks, or "a\\nb" would have the word "nb".
FILL = r"""
INSERT INTO words (rowid, text)
SELECT id, key || ' ' || replace(replace(replace(replace(CAST(data AS TEXT), '\\', ' '), '\n', ' '), '\t', ' '),
  '\r', ' ') FROM audit.event_rows WHERE id > ? AND id <= ?
"""
END = "SELECT id, commit_id FROM audit.event_rows WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?"
LAST = "SELECT id, commit_id FROM audit.event_rows WHERE id > ? ORDER BY id DESC LIMIT 1"


class SearchIndex:
    """``audit`` is the audit view's file, which must be there; ``soundness`` that of the view."""

    def __init__(self, path: Path, audit: Path, soundness: Soundness) -> None:
        self.path = path
        self.audit = audit
        self.soundness = soundness
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="search")
        self.db: Database | None = None
        self.poked = asyncio.Event()

    async def open(self) -> None:
        await self.on_thread(self.connect)

    async def close(self) -> None:
        if self.db is not None:
            await self.on_thread(self.db.close)
            self.db = None
        self.thread.shutdown(wait=True)

    def connect(self) -> None:
        """A file that is damaged, old, or of another audit view is made again from the view."""
        try:
            self.db = self.connect_once()
            if self.continues(self.db):
                return
            self.db.close()
        except sqlite3.DatabaseError as error:
            if not_now(error):
                raise cannot_write(error, self.path) from error
        self.begin_again()

    def begin_again(self) -> None:
        remove_database(self.path)
        self.db = self.connect_once()

    async def make_again(self) -> None:
        """Index everything again: this file, or the view it is an index of, was damaged."""
        await self.on_thread(self.opened().close)
        await self.on_thread(self.begin_again)
        self.poke()

    def connect_once(self) -> Database:
        make_checked(self.path)
        db = open_shared(self.path, "NORMAL")
        if not marked(db, VIEWS[NAME]):  # another file has taken its place
            db.close()
            remove_database(self.path)
            return self.connect_once()
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            db.executescript(f"{SCHEMA} PRAGMA user_version = {VERSION}")
        db.execute("ATTACH ? AS audit", (read_only_uri(self.audit),))
        return db

    def continues(self, db: Database) -> bool:
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            return False
        if lacks_checksums(db):
            return False
        id, commit_id = db.execute("SELECT id, commit_id FROM mark").fetchone()
        found = db.execute("SELECT commit_id FROM audit.event_rows WHERE id = ?", (id,)).fetchone()
        return id == 0 or (found is not None and found[0] == commit_id)

    async def run(self) -> None:
        """Index what comes, some time after it came, until cancelled."""
        while True:
            try:
                while await until_written(lambda: self.on_thread(self.index_some), "the index of words"):
                    pass
            except ViewDamaged:
                await self.soundness.wait()
                continue
            await self.poked.wait()
            self.poked.clear()
            await asyncio.sleep(GATHER_SECONDS)

    def poke(self) -> None:
        """There may be new rows."""
        self.poked.set()

    async def catch_up(self) -> None:
        """Index all rows the audit view has now; ``Refused("view.behind")`` while that is a matter of minutes."""
        if await self.on_thread(self.is_far_behind):
            raise Refused("view.behind", "the words of older events are still being indexed; try again in a while")
        try:
            while await self.on_thread(self.index_some):
                pass
        except CannotWrite as full:
            raise Refused("disk.full", f"the words of the newest events cannot be indexed now: {full}") from None

    def is_far_behind(self) -> bool:
        db = self.opened()
        return db.execute(END, (mark_of(db), BACKLOG_MAX)).fetchone() is not None

    def index_some(self) -> bool:
        """Index up to ROWS_MAX rows in one transaction; False when there were none. Raises ViewDamaged."""
        try:
            return self.index(self.opened())
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise self.soundness.note(error) from error
            raise

    def index(self, db: Database) -> bool:
        before = mark_of(db)
        end = db.execute(END, (before, ROWS_MAX - 1)).fetchone() or db.execute(LAST, (before,)).fetchone()
        if end is None:
            return False
        try:
            db.execute("BEGIN IMMEDIATE")
            db.execute(FILL, (before, end[0]))
            db.execute("UPDATE mark SET id = ?, commit_id = ?", tuple(end))
            db.execute("COMMIT")
        except BaseException as error:
            roll_back(db)
            if isinstance(error, sqlite3.OperationalError) and not_now(error):
                raise cannot_write(error, self.path) from error
            raise
        return True

    def opened(self) -> Database:
        if self.db is None:
            raise RuntimeError("the search index is not open")
        return self.db

    async def on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.thread, work)


def mark_of(db: Database) -> int:
    """The last row that is indexed."""
    return int(db.execute("SELECT id FROM mark").fetchone()[0])


def match_of(text: str) -> str:
    """The FTS5 expression for what a person typed: every word, or "several words" in a row; ``wor*`` for beginnings.

    Letter case and accents do not count. Every word is quoted, so nothing in it is an operator.
    """
    terms: list[str] = []
    for index, part in enumerate(text.split('"')):
        terms += [part] if index % 2 else part.split()
    wanted = [f'"{term.rstrip("*")}"{"*" if term.endswith("*") else ""}' for term in terms if has_word(term)]
    if not wanted or len(wanted) > WORDS_MAX:
        raise Refused("query.bad_text", f"text {text[:60]!r} has {len(wanted)} words to look for, not 1 to {WORDS_MAX}")
    return " AND ".join(wanted)


def has_word(term: str) -> bool:
    return any(one.isalnum() for one in term)
