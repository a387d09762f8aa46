"""Every resource folded along the log: how long it was in each status, its versions, and what its work cost.

An interval begins with the commit that changed the status; a version also where parent or archived mark change.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from treering.adapters.sqlite_view import Database
from treering.domain import KINDS
from treering.kernel.log import Commit, Entry, encoder
from treering.kernel.subjects import Address, address_of
from treering.views import stuck, usage, versions
from treering.views.moments import seconds_between, time_text

CACHED_MAX = 2_000
RESOURCE = "workspace = ? AND kind = ? AND key = ?"
FALLS = (".failed", ".lost")  # how the types of events end that say that it went wrong
# Made when a replay has caught up, like those of the audit view.
INDICES = """
CREATE INDEX IF NOT EXISTS intervals_resource ON intervals (workspace, kind, key);
CREATE INDEX IF NOT EXISTS intervals_duration ON intervals (workspace, kind, status, seconds);
CREATE INDEX IF NOT EXISTS intervals_since ON intervals (kind, since);
CREATE INDEX IF NOT EXISTS intervals_parent ON intervals (workspace, kind, parent, status, seconds);
CREATE INDEX IF NOT EXISTS current_status ON current (kind, status, since);
CREATE INDEX IF NOT EXISTS current_parent ON current (workspace, kind, parent, first_position);
CREATE INDEX IF NOT EXISTS current_first ON current (first_position);
CREATE INDEX IF NOT EXISTS current_first_event ON current (workspace, kind, first_event_seconds);
"""


class Now(NamedTuple):
    """A resource at its last commit, with its open interval (``since``, ``position``) and version (``version``)."""

    state: Any
    status: str
    since: str
    position: int
    version: int
    parent: str
    archived: bool
    first_position: int
    created_at: str
    created_by: str
    changed_at: str
    falls: int  # how often it failed or was lost
    first_event_seconds: float | None  # from its first commit to its second


class LifecycleView:
    name = "lifecycle"
    version = "4"
    schema = f"""
    CREATE TABLE IF NOT EXISTS intervals (
      position INTEGER PRIMARY KEY, workspace TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
      parent TEXT NOT NULL, status TEXT NOT NULL, since TEXT NOT NULL, until TEXT NOT NULL, seconds REAL
    );
    CREATE TABLE IF NOT EXISTS current (
      workspace TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, status TEXT NOT NULL, since TEXT NOT NULL,
      position INTEGER NOT NULL, version INTEGER NOT NULL, parent TEXT NOT NULL, archived INTEGER NOT NULL,
      first_position INTEGER NOT NULL, created_at TEXT NOT NULL, created_by TEXT NOT NULL, changed_at TEXT NOT NULL,
      falls INTEGER NOT NULL, first_event_seconds REAL, state BLOB NOT NULL,
      PRIMARY KEY (workspace, kind, key)
    ) WITHOUT ROWID;
    {versions.SCHEMA}
    {usage.SCHEMA}
    """

    def __init__(self) -> None:
        self.cached: OrderedDict[Address, Now] = OrderedDict()

    def project(self, db: Database, entries: Sequence[Entry]) -> None:
        """Fold each entry; write each row once a batch."""
        batch = Batch(db)
        for entry in entries:
            address = address_of(entry.subject)
            if address.kind not in KINDS:
                continue  # A kind of a newer release: nobody here can fold it.
            commit = entry.commit()
            before = batch.touched.get(address) or self.cached.get(address)
            if before is None and commit.version > 1:
                before = load(db, address)
            batch.add(address, before, advance(address, before, commit, entry.position), entry.position)
        batch.write()
        self.cached.update(batch.touched)
        while len(self.cached) > CACHED_MAX:
            self.cached.popitem(last=False)

    def forget(self) -> None:
        self.cached.clear()


class Batch:
    """What one batch of entries changes; a row that changes twice is written once."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.touched: dict[Address, Now] = {}
        self.intervals: dict[int, tuple[Any, ...]] = {}
        self.versions: dict[int, tuple[Any, ...]] = {}
        self.usage = usage.Sums()
        self.scopes: dict[tuple[str, str], int] = {}

    def add(self, address: Address, before: Now | None, after: Now, position: int) -> None:
        """``after`` is what the commit at ``position`` made of ``before``."""
        self.touched[address] = after
        if before is None or after.position != before.position:
            if before is not None:
                self.intervals[before.position] = interval_row(address, before, after.since)
            self.intervals[after.position] = interval_row(address, after, "")
            self.usage.add(address, before, after)
        if before is None or after.version != before.version:
            scope = self.scope(address)
            if before is not None:
                self.versions[before.version] = version_row(scope, before, position)
            self.versions[after.version] = version_row(scope, after, versions.OPEN)

    def scope(self, address: Address) -> int:
        """The number of a workspace's kind, given in the order of the log."""
        key = address[:2]
        if key not in self.scopes:
            self.db.execute("INSERT OR IGNORE INTO scopes (workspace, kind) VALUES (?, ?)", key)
            self.scopes[key] = versions.scope_number(self.db, *key)
        return self.scopes[key]

    def write(self) -> None:
        insert_interval = "INSERT OR REPLACE INTO intervals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self.db.executemany(insert_interval, self.intervals.values())
        self.db.executemany(versions.INSERT, self.versions.values())
        self.db.executemany(
            f"INSERT OR REPLACE INTO current VALUES ({', '.join('?' * 16)})",
            [(*address, *row[1:], encoder.encode(row.state)) for address, row in self.touched.items()],
        )
        self.usage.write(self.db)


def advance(address: Address, before: Now | None, commit: Commit, position: int) -> Now:
    """The resource after one more commit; a commit that keeps the status keeps the interval."""
    kind = KINDS[address.kind]
    events = kind.events.decode(commit.events)
    state = kind.fold(events, before.state if before else None)
    summary = kind.summary(state)
    at, falls = time_text(commit.at), falls_of(events)
    shown = (summary.parent, summary.archived)
    birth = kind.born(events)
    created = (time_text(birth.at) if birth.at else at, birth.by or commit.actor) if birth else (at, commit.actor)
    if before is None:
        return Now(state, summary.status, at, position, position, *shown, position, *created, at, falls, None)
    same_status = before.status == summary.status
    same_version = same_status and (before.parent, before.archived) == shown
    waited = before.first_event_seconds
    return Now(
        state,
        summary.status,
        before.since if same_status else at,
        before.position if same_status else position,
        before.version if same_version else position,
        *shown,
        before.first_position,
        *(created if birth else (before.created_at, before.created_by)),
        at,
        before.falls + falls,
        seconds_between(before.changed_at, at) if waited is None else waited,  # it had one commit until now
    )


def falls_of(events: Sequence[Any]) -> int:
    """How many of the events of a commit say that it went wrong."""
    return sum([is_fall(event.__struct_config__.tag) for event in events])


@cache
def is_fall(type: str) -> bool:
    return type.endswith(FALLS)


def interval_row(address: Address, row: Now, until: str) -> tuple[Any, ...]:
    seconds = seconds_between(row.since, until) if until else None
    return (row.position, *address, row.parent, row.status, row.since, until, seconds)


def version_row(scope: int, row: Now, until: int) -> tuple[Any, ...]:
    return versions.version_row(scope, row.first_position, row.version, until, row.archived, row.status, row.parent)


def load(db: Database, address: Address) -> Now | None:
    found = db.execute(f"SELECT * FROM current WHERE {RESOURCE}", address).fetchone()
    if found is None:
        return None
    rest = {name: found[name] for name in Now._fields if name not in ("state", "archived")}
    return Now(state=KINDS[address.kind].states.decode(found["state"]), archived=bool(found["archived"]), **rest)


def states_in(db: Database, kind: str, status: str) -> list[tuple[Address, Any]]:
    """The resources of a kind in a status, with their states."""
    found = db.execute("SELECT * FROM current WHERE kind = ? AND status = ?", (kind, status))
    decode = KINDS[kind].states.decode
    return [(Address(row["workspace"], row["kind"], row["key"]), decode(row["state"])) for row in found]


def make_indices(db: Database) -> None:
    """What questions need beyond the rows; safe to say again."""
    db.executescript(INDICES)
    versions.make_indices(db)
    db.execute(stuck.INDEX)
