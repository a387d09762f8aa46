"""Look into the SQLite files of an installation, running or not, without ever changing them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from treering.adapters.sqlite_faults import not_now, said
from treering.adapters.sqlite_open import open_to_look
from treering.adapters.sqlite_view import Database
from treering.kernel.clock import monotonic_seconds
from treering.kernel.log import Commit, commits

STEPS = 100_000  # instructions of SQLite's between two looks at the clock
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError, OSError)


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    """A connection that reads. Raises sqlite3.DatabaseError, before the block, when the file cannot be read at all."""
    with closing(open_to_look(path)) as db:
        yield db


def last_commit(path: Path) -> Commit | None:
    """The last commit of a second copy; None when there is none, or the file cannot be read."""
    if not path.exists():
        return None
    try:
        with opened(path) as db:
            found = db.execute("SELECT body FROM commits ORDER BY position DESC LIMIT 1").fetchone()
        return commits.decode(found[0]) if found else None
    except (*UNREADABLE, msgspec.MsgspecError, TypeError):
        return None


def position_of(path: Path, table: str) -> int | None:
    """How far a view (table ``checkpoint``) or a copy (``commits``) is, None for a file that says it in another way.

    Raises sqlite3.DatabaseError.
    """
    with opened(path) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)).fetchone():
            return None
        return int(db.execute(f"SELECT max(position) FROM {table}").fetchone()[0] or 0)


def unsound(path: Path, seconds_max: float) -> str:
    """What SQLite's quick check finds wrong in the file; "" for nothing in ``seconds_max``.

    Raises sqlite3.OperationalError when the file cannot be read just now.
    """
    end = monotonic_seconds() + seconds_max
    with opened(path) as db:
        db.set_progress_handler(lambda: int(monotonic_seconds() > end), STEPS)
        try:
            found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                return ""
            if not_now(error):
                raise
            return said(error)
        except UNREADABLE as error:
            return said(error)
    return "" if found == "ok" else found
