"""How long each resource was in each status: an interval begins with the commit that changed the status."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from treering.adapters.sqlite_view import Database
from treering.domain import KINDS, kind_named
from treering.kernel.clock import now
from treering.kernel.log import Entry, encoder
from treering.kernel.subjects import Address, address_of
from treering.views.moments import seconds_between, time_text
from treering.views.queries import Interval, LifecycleAnswer, LifecycleQuery, StatusSummary

CACHED_MAX = 10_000
INTERVALS_MAX = 1000
RESOURCE = "workspace = ? AND kind = ? AND key = ?"
# Made when a replay has caught up, like those of the audit view.
INDICES = """
CREATE INDEX IF NOT EXISTS intervals_resource ON intervals (workspace, kind, key);
CREATE INDEX IF NOT EXISTS intervals_duration ON intervals (workspace, kind, status, seconds);
"""


class Now(NamedTuple):
    """A resource at its last commit: its state, and its open interval."""

    state: Any
    status: str
    since: str
    position: int


class LifecycleView:
    name = "lifecycle"
    version = "1"
    schema = """
    CREATE TABLE IF NOT EXISTS intervals (
      position INTEGER PRIMARY KEY, workspace TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
      status TEXT NOT NULL, since TEXT NOT NULL, until TEXT NOT NULL, seconds REAL
    );
    CREATE TABLE IF NOT EXISTS current (
      workspace TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
      status TEXT NOT NULL, since TEXT NOT NULL, position INTEGER NOT NULL, state BLOB NOT NULL,
      PRIMARY KEY (workspace, kind, key)
    ) WITHOUT ROWID;
    """

    def __init__(self) -> None:
        self.cached: OrderedDict[Address, Now] = OrderedDict()

    def project(self, db: Database, entries: Sequence[Entry]) -> None:
        """Fold each entry; write each interval and each state once a batch."""
        touched: dict[Address, Now] = {}
        intervals: dict[int, tuple[Any, ...]] = {}
        try:
            for entry in entries:
                address = address_of(entry.subject)
                if address.kind not in KINDS:
                    continue  # A kind of a newer release: nobody here can fold it.
                before = touched.get(address) or self.cached.get(address) or load(db, address)
                after = advance(address, before, entry)
                touched[address] = after
                if before is not None and after.position != before.position:
                    intervals[before.position] = interval_row(address, before, after.since)
                intervals[after.position] = interval_row(address, after, "")
            self.write(db, touched, intervals)
        except BaseException:
            self.cached.clear()
            raise
        self.cached.update(touched)
        while len(self.cached) > CACHED_MAX:
            self.cached.popitem(last=False)

    def write(self, db: Database, touched: dict[Address, Now], intervals: dict[int, tuple[Any, ...]]) -> None:
        db.executemany("INSERT OR REPLACE INTO intervals VALUES (?, ?, ?, ?, ?, ?, ?, ?)", intervals.values())
        db.executemany(
            "INSERT OR REPLACE INTO current VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (*address, row.status, row.since, row.position, encoder.encode(row.state))
                for address, row in touched.items()
            ],
        )


def advance(address: Address, before: Now | None, entry: Entry) -> Now:
    """The resource after one more commit; a commit that keeps the status keeps the interval."""
    kind = KINDS[address.kind]
    commit = entry.commit()
    state = kind.fold(kind.events.decode(commit.events), before.state if before else None)
    status = kind.summary(state).status
    if before is not None and before.status == status:
        return before._replace(state=state)
    return Now(state, status, time_text(commit.at), entry.position)


def interval_row(address: Address, row: Now, until: str) -> tuple[Any, ...]:
    seconds = seconds_between(row.since, until) if until else None
    return (row.position, *address, row.status, row.since, until, seconds)


def load(db: Database, address: Address) -> Now | None:
    found = db.execute(f"SELECT * FROM current WHERE {RESOURCE}", address).fetchone()
    if found is None:
        return None
    state = KINDS[address.kind].states.decode(found["state"])
    return Now(state, found["status"], found["since"], found["position"])


def lifecycle(db: Database, query: LifecycleQuery) -> LifecycleAnswer:
    """Answer ``qry.lifecycle``; ``Refused("kind.unknown")`` for a kind there is not."""
    kind_named(query.kind)
    if query.name:
        return LifecycleAnswer(intervals=intervals_of(db, Address(query.workspace, query.kind, query.name)))
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
            *(percentile(db, (workspace, kind, row["status"]), row["ended"], share) for share in (0.5, 0.95)),
        )
        for row in db.execute(sql, (workspace, kind)).fetchall()
    ]  # fmt: skip


def percentile(db: Database, group: tuple[str, str, str], count: int, share: float) -> float:
    """The smallest duration that at least ``share`` of ``count`` durations do not exceed; 0 when there is none."""
    rank = max(math.ceil(count * share) - 1, 0)  # the nearest-rank method, counted from 0
    sql = (
        "SELECT seconds FROM intervals WHERE workspace = ? AND kind = ? AND status = ? AND seconds IS NOT NULL "
        "ORDER BY seconds LIMIT 1 OFFSET ?"
    )
    row = db.execute(sql, (*group, rank)).fetchone()
    return float(row["seconds"]) if row else 0.0


def make_indices(db: Database) -> None:
    """What questions need beyond the rows; safe to say again."""
    db.executescript(INDICES)
