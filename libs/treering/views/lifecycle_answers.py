"""What is asked of the lifecycle view: durations of one resource, of a kind, and of a kind by parent."""

from __future__ import annotations

import math
from typing import Any

from treering.adapters.incomplete import require_complete
from treering.adapters.sqlite_view import Database
from treering.domain import kind_named
from treering.kernel.clock import now
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.lifecycle import RESOURCE
from treering.views.moments import seconds_between, time_text
from treering.views.queries import Interval, LifecycleAnswer, LifecycleQuery, StatusSummary
from treering.views.time_queries import ByParentAnswer, ByParentQuery, Durations

INTERVALS_MAX = 1000
ROWS_MAX = 2000
FIRST_EVENT = "First event"


def lifecycle(db: Database, query: LifecycleQuery) -> LifecycleAnswer:
    """Answer ``qry.lifecycle``; ``Refused`` for a kind or a resource there is not."""
    kind_named(query.kind)
    if query.name:
        address = Address(query.workspace, query.kind, query.name)
        require_complete(db, address)
        found = intervals_of(db, address)
        if not found:
            raise Refused(f"{query.kind}.absent", f"there is no {query.kind} {query.name[:80]!r}, and never was")
        return LifecycleAnswer(intervals=found)
    return LifecycleAnswer(summary=summaries(db, query.workspace, query.kind))


def intervals_of(db: Database, address: Address) -> list[Interval]:
    """The newest INTERVALS_MAX of a resource, oldest first."""
    today = time_text(now())
    sql = f"SELECT * FROM intervals WHERE {RESOURCE} ORDER BY position DESC LIMIT {INTERVALS_MAX}"
    return [
        Interval(
            row["status"],
            row["since"],
            row["position"],
            seconds_between(row["since"], today) if row["seconds"] is None else row["seconds"],
            row["until"],
        )
        for row in reversed(db.execute(sql, address).fetchall())
    ]


def summaries(db: Database, workspace: str, kind: str) -> list[StatusSummary]:
    sql = (
        "SELECT status, count(seconds) AS ended, count(*) - count(seconds) AS open FROM intervals "
        "WHERE workspace = ? AND kind = ? GROUP BY status ORDER BY status"
    )
    return [
        StatusSummary(
            row["status"], row["ended"], row["open"],
            *(percentile(db, {"workspace": workspace, "kind": kind, "status": row["status"]}, row["ended"], share)
              for share in (0.5, 0.95)),
        )
        for row in db.execute(sql, (workspace, kind)).fetchall()
    ]  # fmt: skip


def percentile(db: Database, group: dict[str, str], count: int, share: float) -> float:
    """The smallest duration that at least ``share`` of ``count`` durations do not exceed; 0 when there is none."""
    rank = max(math.ceil(count * share) - 1, 0)  # the nearest-rank method, counted from 0
    where = " AND ".join(f"{column} = :{column}" for column in group)
    sql = f"SELECT seconds FROM intervals WHERE {where} AND seconds IS NOT NULL ORDER BY seconds LIMIT 1 OFFSET :rank"
    row = db.execute(sql, {**group, "rank": rank}).fetchone()
    return float(row["seconds"]) if row else 0.0


def by_parent(db: Database, query: ByParentQuery) -> ByParentAnswer:
    """Answer ``qry.by_parent``: every status of every parent (at most ROWS_MAX), and the time to the first event."""
    kind_named(query.kind)
    group = {"workspace": query.workspace, "kind": query.kind, **({"parent": query.parent} if query.parent else {})}
    where = " AND ".join(f"{column} = :{column}" for column in group)
    sql = (
        "SELECT parent, status, count(seconds) AS ended, count(*) - count(seconds) AS open, max(seconds) AS longest "
        f"FROM intervals WHERE {where} GROUP BY parent, status ORDER BY parent, status LIMIT {ROWS_MAX}"
    )
    found = [durations(db, group, row) for row in db.execute(sql, group).fetchall()]
    return ByParentAnswer(found + first_events(db, group, where))


def durations(db: Database, group: dict[str, str], row: Any) -> Durations:
    narrow = {**group, "parent": row["parent"], "status": row["status"]}
    p50, p95, p99 = (percentile(db, narrow, row["ended"], share) for share in (0.5, 0.95, 0.99))
    return Durations(row["parent"], row["status"], row["ended"], row["open"], p50, p95, p99, row["longest"] or 0.0)


def first_events(db: Database, group: dict[str, str], where: str) -> list[Durations]:
    """By nearest rank over all of a parent at once: each is read and sorted once, whatever is asked of it."""
    sql = f"""
    WITH ranked AS (
      SELECT parent, first_event_seconds AS s, count(*) OVER whole AS n,
        row_number() OVER (PARTITION BY parent ORDER BY first_event_seconds) AS r
      FROM current WHERE {where} AND first_event_seconds IS NOT NULL
      WINDOW whole AS (PARTITION BY parent)
    )
    SELECT parent, n, min(s) FILTER (WHERE r >= n * 0.5) AS p50, min(s) FILTER (WHERE r >= n * 0.95) AS p95,
      min(s) FILTER (WHERE r >= n * 0.99) AS p99, max(s) AS longest
    FROM ranked GROUP BY parent ORDER BY parent LIMIT {ROWS_MAX}
    """
    return [
        Durations(row["parent"], FIRST_EVENT, row["n"], 0, row["p50"], row["p95"], row["p99"], row["longest"])
        for row in db.execute(sql, group)
    ]
