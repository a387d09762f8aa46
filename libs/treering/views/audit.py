"""Every event, one row each: who did what to which resource, when, and why.

Where an event belongs (workspace, kind, type) is a *group*, interned: there are few, so whatever mix of them is
asked for is a merge of a few runs of one index. ``hours`` says between which rows the events of an hour lie,
``days`` how many there were of each group; both keep questions about a time from reading the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from treering.adapters.sqlite_view import Database
from treering.kernel.log import Entry
from treering.kernel.subjects import address_of, decode_token
from treering.views.moments import fixed_time

INDEX_BITS = 20  # a commit of 1 MiB cannot hold 2**20 events; 43 bits are left for its position
PLACES_MAX = 10_000
ROW = f"({', '.join('?' * 13)})"
INSERT = f"INSERT INTO event_rows VALUES {ROW}"
# Each statement makes Python let go of its lock and fetch it back, from a loop that is busy reading the log.
ROWS_AT_ONCE = 50
INSERT_MANY = f"INSERT INTO event_rows VALUES {', '.join([ROW] * ROWS_AT_ONCE)}"
PUBLISHED = ".event"  # the kind of what clients publish (domain/event.py)
HOUR, DAY = len("2026-01-31T23"), len("2026-01-31")
# Made when a replay has caught up: one sort of a million keys costs less than a million insertions.
INDICES = """
CREATE INDEX IF NOT EXISTS events_gid ON event_rows (gid);
CREATE INDEX IF NOT EXISTS events_time ON event_rows (gid, at);
CREATE INDEX IF NOT EXISTS events_actor ON event_rows (actor, gid);
CREATE INDEX IF NOT EXISTS events_key ON event_rows (key);
CREATE INDEX IF NOT EXISTS events_about ON event_rows (about) WHERE about <> '';
CREATE INDEX IF NOT EXISTS events_published ON event_rows (published) WHERE published <> '';
CREATE INDEX IF NOT EXISTS events_commit ON event_rows (commit_id);
CREATE INDEX IF NOT EXISTS events_command ON event_rows (command_id);
CREATE INDEX IF NOT EXISTS events_cause ON event_rows (cause) WHERE cause <> '';
"""
# What the planner is to expect, said once: measured statistics would be those of the empty file a monitor starts
# with, and plans would differ from one installation to the next.
STATISTICS = """
ANALYZE groups;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 VALUES
  ('groups', 'sqlite_autoindex_groups_1', '100 40 5 1'), ('event_rows', 'events_gid', '10000000 100000'),
  ('event_rows', 'events_time', '10000000 100000 1'), ('event_rows', 'events_actor', '10000000 50000 5000'),
  ('event_rows', 'events_key', '10000000 8'), ('event_rows', 'events_about', '100000 3'),
  ('event_rows', 'events_published', '100000 1000'),
  ('event_rows', 'events_commit', '10000000 1'), ('event_rows', 'events_command', '10000000 1'),
  ('event_rows', 'events_cause', '10000000 2');
ANALYZE sqlite_schema;
"""
GROUP_KEY = "workspace = ? AND kind = ? AND type = ?"
COUNT_HOUR = """
INSERT INTO hours VALUES (?, ?, ?, ?) ON CONFLICT (hour) DO UPDATE SET
  first_id = min(first_id, excluded.first_id), last_id = max(last_id, excluded.last_id),
  events = events + excluded.events
"""
COUNT_DAY = "INSERT INTO days VALUES (?, ?, ?) ON CONFLICT (day, gid) DO UPDATE SET events = events + excluded.events"


class Stored(Struct, frozen=True, gc=False):
    """A commit as far as the audit reads it: the events stay bytes."""

    id: str
    command_id: str
    at: str
    actor: str
    events: list[msgspec.Raw]
    cause: str = ""
    trace: str = ""
    via: str = ""


class Tag(Struct, frozen=True, gc=False):
    """What every event has, and the ``subject`` and the type of its own of a published one."""

    type: str
    subject: str = ""
    event_type: str = ""


class Group(NamedTuple):
    """Where an event belongs."""

    workspace: str
    kind: str
    type: str


stored = msgspec.json.Decoder(Stored)
tags = msgspec.json.Decoder(Tag)


class AuditView:
    """The ``id`` of a row is its position and index in one number, so that rows are appended in order."""

    name = "audit"
    version = "4"
    schema = f"""
    CREATE TABLE IF NOT EXISTS groups (
      gid INTEGER PRIMARY KEY, workspace TEXT NOT NULL, kind TEXT NOT NULL, type TEXT NOT NULL,
      UNIQUE (workspace, kind, type)
    );
    CREATE TABLE IF NOT EXISTS event_rows (
      id INTEGER PRIMARY KEY, gid INTEGER NOT NULL, key TEXT NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL,
      cause TEXT NOT NULL, command_id TEXT NOT NULL, commit_id TEXT NOT NULL, trace TEXT NOT NULL,
      about TEXT NOT NULL, published TEXT NOT NULL, data BLOB NOT NULL, via TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS hours (
      hour TEXT PRIMARY KEY, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL, events INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS days (
      day TEXT NOT NULL, gid INTEGER NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (day, gid)
    ) WITHOUT ROWID;
    CREATE VIEW IF NOT EXISTS events AS SELECT
      id, id >> {INDEX_BITS} AS position, id & {(1 << INDEX_BITS) - 1} AS "index", workspace, kind, key AS name,
      type, at, actor, cause, command_id, commit_id, trace, about, published,
      data, via FROM event_rows JOIN groups USING (gid);
    """

    def __init__(self) -> None:
        self.groups: dict[tuple[str, str], int] = {}  # by the subject without its key, and the type

    def forget(self) -> None:
        """The numbers of groups that an undone transaction made are free again."""
        self.groups.clear()

    def project(self, db: Database, entries: Sequence[Entry]) -> None:
        rows = self.rows(db, entries)
        insert(db, rows)
        count(db, rows)

    def rows(self, db: Database, entries: Sequence[Entry]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for position, subject, body in entries:
            commit = stored.decode(body)
            place, _, token = subject.rpartition(".")
            key = decode_token(token)
            at = fixed_time(commit.at)
            published = place.endswith(PUBLISHED)
            for index, event in enumerate(commit.events):
                tag = tags.decode(event)
                gid = self.groups.get((place, tag.type)) or self.intern(db, subject, tag.type)
                rows.append((
                    position << INDEX_BITS | index, gid, key,
                    at, commit.actor, commit.cause, commit.command_id, commit.id, commit.trace,
                    tag.subject if published else "", tag.event_type if published else "", event,
                    commit.via,
                ))  # fmt: skip
        return rows

    def intern(self, db: Database, subject: str, type: str) -> int:
        """The number of a group; ValueError when the subject is not that of a resource."""
        address = address_of(subject)
        group = Group(address.workspace, address.kind, type)
        db.execute("INSERT OR IGNORE INTO groups (workspace, kind, type) VALUES (?, ?, ?)", group)
        row = db.execute(f"SELECT gid FROM groups WHERE {GROUP_KEY}", group).fetchone()
        if len(self.groups) >= PLACES_MAX:
            self.groups.clear()
        gid = self.groups[subject.rpartition(".")[0], type] = int(row["gid"])
        return gid


def insert(db: Database, rows: Sequence[tuple[Any, ...]]) -> None:
    together = len(rows) - len(rows) % ROWS_AT_ONCE
    for first in range(0, together, ROWS_AT_ONCE):
        db.execute(INSERT_MANY, list(chain.from_iterable(rows[first : first + ROWS_AT_ONCE])))
    db.executemany(INSERT, rows[together:])


def count(db: Database, rows: Sequence[tuple[Any, ...]]) -> None:
    """Add a batch to ``hours`` and ``days``."""
    hours = [row[3][:HOUR] for row in rows]
    # Rows come in order of their ids: a later one takes the place of an earlier one.
    last = {hour: row[0] for hour, row in zip(hours, rows, strict=True)}
    first = {hour: row[0] for hour, row in zip(reversed(hours), reversed(rows), strict=True)}
    db.executemany(COUNT_HOUR, [(hour, first[hour], last[hour], events) for hour, events in Counter(hours).items()])
    days = Counter([(row[3][:DAY], row[1]) for row in rows])
    db.executemany(COUNT_DAY, [(*key, events) for key, events in days.items()])


def make_indices(db: Database) -> None:
    """What questions need beyond the rows; safe to say again."""
    db.executescript(INDICES)
    db.executescript(STATISTICS)
