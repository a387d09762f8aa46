"""How far each webhook has come, what is to be tried again, and what was given up: one SQLite file.

Unlike a view it cannot be computed from the log, so it is kept: a webhook's position moves in the transaction that
writes down what was not delivered before it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from treering.adapters.sqlite_faults import cannot_write, not_now, roll_back, said
from treering.adapters.sqlite_kinds import DELIVERIES, marked
from treering.adapters.sqlite_open import lacks_checksums, make_checked, open_alone, open_shared

DEAD_MAX = 10_000  # of one webhook; the oldest go first
SCHEMA = """
CREATE TABLE IF NOT EXISTS webhooks (
  workspace TEXT, name TEXT, epoch TEXT NOT NULL, position INTEGER NOT NULL, delivered INTEGER NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (workspace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS retries (
  workspace TEXT, name TEXT, position INTEGER, number INTEGER, attempts INTEGER NOT NULL, due_at REAL NOT NULL,
  why TEXT NOT NULL, PRIMARY KEY (workspace, name, position, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
  workspace TEXT, name TEXT, position INTEGER, number INTEGER, attempts INTEGER NOT NULL, at REAL NOT NULL,
  why TEXT NOT NULL, PRIMARY KEY (workspace, name, position, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logs (
  workspace TEXT, name TEXT, epoch TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (workspace, name)
) WITHOUT ROWID;
"""
Key = tuple[str, str]  # workspace and name


class Letter(NamedTuple):
    """One event on its way: the ``number``-th part of what the commit at ``position`` makes for this webhook."""

    position: int
    number: int
    attempts: int = 0
    at: float = 0.0  # seconds since the epoch: when it is due again, or when it was given up
    why: str = ""


class LogKnown(NamedTuple):
    """The epoch of the log in which a webhook's position and letters stand, "" for the first; ``note``: what became of
    them when the log was restored."""

    epoch: str = ""
    note: str = ""


class Standing(NamedTuple):
    epoch: str  # of the deliveries: a replay begins another one
    position: int
    delivered: int
    dropped: int


def with_checksums(path: Path) -> None:
    """Make the file so that each page has a checksum, which SQLite compares when it reads it; a file of an earlier
    release is written again so, once."""
    make_checked(path)
    with closing(open_alone(path)) as old:
        if not lacks_checksums(old):
            return
        part = path.with_name(f".{path.name}.part")
        part.unlink(missing_ok=True)
        make_checked(part)
        with closing(open_alone(part)) as new:
            new.executescript("".join(old.iterdump()))
        old.execute("PRAGMA journal_mode = DELETE")  # what is in its write-ahead log is in the file then
    part.replace(path)


class DeliveriesDamaged(Exception):
    """The file is not what was written; the message names it and says what to do."""


class DeliveryStore:
    """Opened by one process; every call is one small transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        with self.worded():
            with_checksums(path)
            self.db = open_shared(path, "NORMAL")
            if not marked(self.db, DELIVERIES):
                self.db.close()
                raise DeliveriesDamaged(f"{path} is not {DELIVERIES.what}: {DELIVERIES.mends}")
            self.db.executescript(SCHEMA)

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing; CannotWrite when the disk takes nothing now."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            yield
            self.db.execute("COMMIT")
        except BaseException:
            roll_back(self.db)
            with self.worded():
                raise

    @contextmanager
    def worded(self) -> Iterator[None]:
        """Whatever SQLite says of the file names it, and what to do: CannotWrite, else DeliveriesDamaged."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not_now(error):
                raise cannot_write(error, self.path) from error
            raise DeliveriesDamaged(f"{self.path}: {said(error)}: {DELIVERIES.mends}") from error

    def rows(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        with self.worded():
            return self.db.execute(sql, parameters).fetchall()

    def standing(self, key: Key) -> Standing | None:
        sql = "SELECT epoch, position, delivered, dropped FROM webhooks WHERE workspace = ? AND name = ?"
        return next((Standing(*row) for row in self.rows(sql, key)), None)

    def begin(self, key: Key, epoch: str, position: int) -> None:
        """Start from ``position``: a new webhook, or a replay. What waited to be tried again is behind it, or comes
        again."""
        with self.transaction():
            self.db.execute("DELETE FROM retries WHERE workspace = ? AND name = ?", key)
            sql = "INSERT OR REPLACE INTO webhooks (workspace, name, epoch, position) VALUES (?, ?, ?, ?)"
            self.db.execute(sql, (*key, epoch, position))

    def log_known(self, key: Key) -> LogKnown:
        rows = self.rows("SELECT epoch, note FROM logs WHERE workspace = ? AND name = ?", key)
        return LogKnown(*rows[0]) if rows else LogKnown()

    def go_on(self, key: Key, known: LogKnown, common: int) -> None:
        """In a log that agrees with the one before up to ``common``: what stood behind that is another event now."""
        with self.transaction():
            mine = "WHERE workspace = ? AND name = ? AND position > ?"
            self.db.execute(f"UPDATE webhooks SET position = ? {mine}", (common, *key, common))
            for table in ("retries", "dead"):
                self.db.execute(f"DELETE FROM {table} {mine}", (*key, common))
            self.db.execute("INSERT OR REPLACE INTO logs VALUES (?, ?, ?, ?)", (*key, *known))

    def forget(self, key: Key) -> None:
        with self.transaction():
            for table in ("webhooks", "retries", "dead", "logs"):
                self.db.execute(f"DELETE FROM {table} WHERE workspace = ? AND name = ?", key)

    def save(
        self,
        key: Key,
        position: int,
        delivered: int,
        again: Iterable[Letter],
        given_up: Sequence[Letter],
        done: Iterable[Letter],
    ) -> None:
        """All before or at ``position`` was delivered, or is in ``again`` or ``given_up``; ``done`` is in neither."""
        with self.transaction():
            sql = "UPDATE webhooks SET position = ?, delivered = delivered + ? WHERE workspace = ? AND name = ?"
            self.db.execute(sql, (position, delivered, *key))
            gone = [(*key, one.position, one.number) for one in (*done, *given_up)]
            self.db.executemany("DELETE FROM retries WHERE (workspace, name, position, number) = (?, ?, ?, ?)", gone)
            self.put("retries", key, again)
            self.put("dead", key, given_up)
            if given_up:
                self.trim(key)

    def put(self, table: str, key: Key, letters: Iterable[Letter]) -> None:
        self.db.executemany(
            f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)", [(*key, *letter) for letter in letters]
        )

    def trim(self, key: Key) -> None:
        mine = "FROM dead WHERE workspace = ?1 AND name = ?2"
        kept = f"SELECT position, number {mine} ORDER BY position DESC, number DESC LIMIT ?3"
        sql = f"DELETE {mine} AND (position, number) NOT IN ({kept})"
        removed = self.db.execute(sql, (*key, DEAD_MAX)).rowcount
        if removed > 0:
            self.db.execute(
                "UPDATE webhooks SET dropped = dropped + ? WHERE workspace = ? AND name = ?", (removed, *key)
            )

    def retries(self, key: Key) -> list[Letter]:
        sql = "SELECT position, number, attempts, due_at, why FROM retries WHERE workspace = ? AND name = ?"
        return [Letter(*row) for row in self.rows(sql, key)]

    def dead(self, key: Key, limit: int, after: tuple[int, int] = (0, -1)) -> list[Letter]:
        """Given up, oldest first, behind ``after``."""
        sql = (
            "SELECT position, number, attempts, at, why FROM dead WHERE workspace = ? AND name = ?"
            " AND (position, number) > (?, ?) ORDER BY position, number LIMIT ?"
        )
        return [Letter(*row) for row in self.rows(sql, (*key, *after, limit))]

    def dead_count(self, key: Key) -> int:
        sql = "SELECT count(*) FROM dead WHERE workspace = ? AND name = ?"
        return int(self.rows(sql, key)[0][0])

    def revive(self, key: Key, letters: Sequence[Letter], due_at: float) -> list[Letter]:
        """Dead letters become ones to be tried, with their attempts counted anew."""
        again = [Letter(one.position, one.number, 0, due_at, one.why) for one in letters]
        with self.transaction():
            gone = [(*key, one.position, one.number) for one in letters]
            self.db.executemany("DELETE FROM dead WHERE (workspace, name, position, number) = (?, ?, ?, ?)", gone)
            self.put("retries", key, again)
        return again
