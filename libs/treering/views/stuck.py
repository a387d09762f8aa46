"""What needs somebody: resources that wait too long, are silent, or fail again and again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from treering.adapters.sqlite_view import Database
from treering.config import Thresholds
from treering.domain import KINDS
from treering.kernel.clock import now
from treering.views.moments import seconds_between, time_text
from treering.views.time_queries import StuckAnswer, StuckQuery, StuckRow

ROWS_MAX = 1000
# The statuses of all kinds that lead to another by themselves, and those in which work is done.
WAITING = ("Queued", "Preparing", "Finalizing", "CancelRequested", "creating", "updating", "deleting", "pending")
WORKING = ("Running", "running")
WELL = ("Completed", "Canceled", "online", "archived", "deleted")
FAILING_DAYS = 7  # what failed longer ago is history, not a problem
INDEX = "CREATE INDEX IF NOT EXISTS current_falls ON current (falls) WHERE falls > 1"
IN_STATUS = "SELECT * FROM current WHERE kind = ? AND status = ? AND since < ? ORDER BY since"
FALLEN = "SELECT * FROM current WHERE falls >= ? AND falls > 1 AND changed_at >= ? ORDER BY falls DESC"
FAILED_PARENTS = """
SELECT workspace, parent, max(since) AS last FROM current
WHERE kind = 'job' AND status = 'Failed' AND since >= ? AND parent <> '' GROUP BY workspace, parent ORDER BY 1, 2
"""
LAST_OF_PARENT = """
SELECT status, since FROM current WHERE workspace = ? AND kind = 'job' AND parent = ?
ORDER BY first_position DESC LIMIT ?
"""


def stuck(db: Database, query: StuckQuery, thresholds: Thresholds) -> StuckAnswer:
    """Answer ``qry.stuck``: what has the longest trouble first."""
    limits = Thresholds(
        query.waiting_seconds or thresholds.waiting_seconds,
        query.silent_seconds or thresholds.silent_seconds,
        query.failures or thresholds.failures,
    )
    found = islice((row for row in problems(db, limits) if query.workspace in ("", row.workspace)), ROWS_MAX + 1)
    rows = sorted(found, key=lambda row: -row.seconds)
    return StuckAnswer(rows[:ROWS_MAX], len(rows) > ROWS_MAX)


def problems(db: Database, limits: Thresholds) -> Iterator[StuckRow]:
    today = now()
    text = time_text(today)
    waited = time_text(today - timedelta(seconds=limits.waiting_seconds))
    silent = time_text(today - timedelta(seconds=limits.silent_seconds))
    recent = time_text(today - timedelta(days=FAILING_DAYS))
    for kind in sorted(KINDS):
        for status in WAITING:
            for row in db.execute(IN_STATUS, (kind, status, waited)):
                yield problem(row, "waiting", row["since"], text, f"it is {status} for longer than allowed")
        for status in WORKING:
            for row in db.execute(IN_STATUS, (kind, status, silent)):
                if row["changed_at"] < silent:
                    yield problem(row, "silent", row["changed_at"], text, "nothing was said about it for long")
    for row in db.execute(FALLEN, (limits.failures, recent)):
        if row["status"] not in WELL:
            yield problem(row, "failing", row["since"], text, f"it failed or was lost {row['falls']} times")
    yield from failing_parents(db, limits.failures, recent, text)


def problem(row: Any, what: Any, since: str, today: str, why: str) -> StuckRow:
    seconds = seconds_between(since, today)
    return StuckRow(row["workspace"], row["kind"], row["key"], what, row["status"], since, seconds, why)


def failing_parents(db: Database, failures: int, recent: str, today: str) -> Iterator[StuckRow]:
    """Experiments whose last ``failures`` jobs all failed."""
    for parent in db.execute(FAILED_PARENTS, (recent,)).fetchall():
        last = db.execute(LAST_OF_PARENT, (parent["workspace"], parent["parent"], failures)).fetchall()
        if len(last) == failures and all(job["status"] == "Failed" for job in last):
            since = last[-1]["since"]
            yield StuckRow(
                parent["workspace"], "experiment", parent["parent"], "failing", "Failed",
                since, seconds_between(since, today), f"its last {failures} jobs failed",
            )  # fmt: skip
