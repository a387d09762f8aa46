"""Every event, one row each: who did what to which resource, when, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from treering.adapters.sqlite_view import Database
from treering.kernel.log import Entry, LogDamaged
from treering.kernel.subjects import address_of
from treering.views.moments import fixed_time

INDEX_BITS = 20  # a commit of 1 MiB cannot hold 2**20 events; 43 bits are left for its position
ADDRESSES_MAX = 20_000
INSERT = f"INSERT INTO events VALUES ({', '.join('?' * 16)})"
# Made when a replay has caught up: one sort of a million keys costs less than a million insertions.
INDICES = """
CREATE INDEX IF NOT EXISTS events_resource ON events (workspace, kind, key);
CREATE INDEX IF NOT EXISTS events_about ON events (workspace, about_kind, about_key) WHERE about_kind <> '';
CREATE INDEX IF NOT EXISTS events_commit ON events (commit_id);
CREATE INDEX IF NOT EXISTS events_command ON events (command_id);
CREATE INDEX IF NOT EXISTS events_cause ON events (cause) WHERE cause <> '';
CREATE INDEX IF NOT EXISTS events_actor ON events (actor);
CREATE INDEX IF NOT EXISTS events_type ON events (type);
CREATE INDEX IF NOT EXISTS events_at ON events (at);
"""


class Stored(Struct, frozen=True):
    """A commit as far as the audit reads it: the events stay bytes."""

    id: str
    command_id: str
    at: str
    actor: str
    events: list[msgspec.Raw]
    cause: str = ""
    trace: str = ""


class Tag(Struct, frozen=True):
    """What every event has, and the ``subject`` of a published one."""

    type: str
    subject: str = ""


stored = msgspec.json.Decoder(Stored)
tags = msgspec.json.Decoder(Tag)
cached_address = lru_cache(ADDRESSES_MAX)(address_of)


class AuditView:
    """The ``id`` of a row is its position and index in one number, so that rows are appended in order."""

    name = "audit"
    version = "1"
    schema = """
    CREATE TABLE IF NOT EXISTS events (
      id INTEGER PRIMARY KEY, position INTEGER NOT NULL, idx INTEGER NOT NULL,
      workspace TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL,
      at TEXT NOT NULL, actor TEXT NOT NULL, cause TEXT NOT NULL, command_id TEXT NOT NULL, commit_id TEXT NOT NULL,
      trace TEXT NOT NULL, about_kind TEXT NOT NULL, about_key TEXT NOT NULL, data BLOB NOT NULL
    );
    """

    def project(self, db: Database, entries: Sequence[Entry]) -> None:
        db.executemany(INSERT, event_rows(entries))


def event_rows(entries: Sequence[Entry]) -> Iterator[tuple[Any, ...]]:
    for position, subject, body in entries:
        try:
            commit = stored.decode(body)
            address = cached_address(subject)
            at = fixed_time(commit.at)
        except (msgspec.MsgspecError, ValueError) as error:
            raise LogDamaged(f"position {position} of the log is not a commit: {error}") from None
        for index, event in enumerate(commit.events):
            tag = tags.decode(event)
            about_kind, _, about_key = tag.subject.partition("/") if address.kind == "event" else ("", "", "")
            yield (
                position << INDEX_BITS | index, position, index, *address, tag.type, at, commit.actor, commit.cause,
                commit.command_id, commit.id, commit.trace, about_kind, about_key, bytes(event),
            )  # fmt: skip


def make_indices(db: Database) -> None:
    """What questions need beyond the rows; safe to say again."""
    db.executescript(INDICES)
