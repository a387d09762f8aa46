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

from treering.adapters.sqlite_reader import read_only_uri
from treering.adapters.sqlite_view import Database
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
    """``audit`` is the audit view's file, which must be there."""

    def __init__(self, path: Path, audit: Path) -> None:
        self.path = path
        self.audit = audit
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
        except sqlite3.DatabaseError:
            pass
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self.db = self.connect_once()

    def connect_once(self) -> Database:
        db = sqlite3.connect(self.path.absolute().as_uri(), uri=True, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA busy_timeout = 5000")
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            db.executescript(f"{SCHEMA} PRAGMA user_version = {VERSION}")
        db.execute("ATTACH ? AS audit", (read_only_uri(self.audit),))
        return db

    def continues(self, db: Database) -> bool:
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            return False
        id, commit_id = db.execute("SELECT id, commit_id FROM mark").fetchone()
        found = db.execute("SELECT commit_id FROM audit.event_rows WHERE id = ?", (id,)).fetchone()
        return id == 0 or (found is not None and found[0] == commit_id)

    async def run(self) -> None:
        """Index what comes, some time after it came, until cancelled."""
        while True:
            while await self.on_thread(self.index_some):
                pass
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
        while await self.on_thread(self.index_some):
            pass

    def is_far_behind(self) -> bool:
        db = self.opened()
        return db.execute(END, (mark_of(db), BACKLOG_MAX)).fetchone() is not None

    def index_some(self) -> bool:
        """Index up to ROWS_MAX rows in one transaction; False when there were none."""
        db = self.opened()
        before = mark_of(db)
        end = db.execute(END, (before, ROWS_MAX - 1)).fetchone() or db.execute(LAST, (before,)).fetchone()
        if end is None:
            return False
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute(FILL, (before, end[0]))
            db.execute("UPDATE mark SET id = ?, commit_id = ?", tuple(end))
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
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
