"""Says what each SQLite file of a home is, so that files which changed places are told apart.

The header of a file has a field for that (``PRAGMA application_id``). Files of earlier releases have 0 there; they are
known by their tables, and get their mark when they are next opened to be written.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from treering.adapters.sqlite_faults import not_now


class Kind(NamedTuple):
    """``where``: the pattern of its path below a home. ``table``: one that no other kind has, except the two copies,
    whose first subject begins with ``subject``. ``kept``: it cannot be computed again without a look at others."""

    mark: int
    what: str
    where: str
    table: str
    mends: str
    kept: bool = False
    subject: str = ""


RECOPY = "stop treering, then `treering log recopy` makes it again from the log, when that is what was signed"
AGAIN = "nothing is lost: a start makes it again from the log"


def kind(letters: bytes, what: str, where: str, table: str, mends: str = AGAIN, **more: object) -> Kind:
    return Kind(int.from_bytes(letters, "big"), what, where, table, mends, **more)  # type: ignore[arg-type]


LOG = kind(b"TrLo", "the second copy of the log", "copy/log.db", "commits", RECOPY, kept=True, subject="evt.")
POINTS = kind(
    b"TrPo", "the second copy of the metric points", "copy/points.db", "commits", RECOPY, kept=True, subject="met."
)
DELIVERIES = kind(
    b"TrDe", "what webhooks have been told", "notifier/deliveries.db", "webhooks",
    "stop treering and put it back from a backup, or move it away: each webhook is then told again from where it began",
    kept=True,
)  # fmt: skip
VIEWS = {
    "states": kind(b"TrSt", "the view of states", "views/*/states.db", "states"),
    "audit": kind(b"TrAu", "the audit view", "views/*/audit.db", "event_rows"),
    "lifecycle": kind(b"TrLi", "the view of lifecycles", "views/*/lifecycle.db", "intervals"),
    "tracking": kind(b"TrTr", "the view of runs and models", "views/*/tracking.db", "runs"),
    "search": kind(b"TrSe", "the index of words", "views/*/search.db", "mark"),
}
KINDS = (LOG, POINTS, DELIVERIES, *VIEWS.values())
UNKNOWN = Kind(-1, "a file that treering does not know", "", "", "")


def marked(db: sqlite3.Connection, kind: Kind | None) -> bool:
    """Whether this open file is of ``kind``; one that says nothing gets the mark, now or when the disk takes it."""
    if kind is None:
        return True
    found = kind_of(db)
    if found is None or db.execute("PRAGMA application_id").fetchone()[0] == 0:
        if found not in (None, kind):
            return False
        try:
            db.execute(f"PRAGMA application_id = {kind.mark}")
        except sqlite3.OperationalError as error:
            if not not_now(error):
                raise
        return True
    return found == kind


def kind_of(db: sqlite3.Connection) -> Kind | None:
    """What the open file is; None for one that holds nothing to know it by."""
    number = db.execute("PRAGMA application_id").fetchone()[0]
    if number:
        return next((one for one in KINDS if one.mark == number), UNKNOWN)
    tables = {str(row[0]) for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if LOG.table not in tables:
        return next((one for one in KINDS if one.table in tables), None)
    first = db.execute("SELECT subject FROM commits ORDER BY position LIMIT 1").fetchone()
    return next((one for one in (LOG, POINTS) if first and str(first[0]).startswith(one.subject)), None)
