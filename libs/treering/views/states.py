"""Every resource as it is now: what lists and ``show`` read, and where a cold writer starts from."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from treering.adapters.incomplete import incomplete_keys, incomplete_subjects, require_complete
from treering.adapters.sqlite_view import Database
from treering.domain import KINDS
from treering.kernel.log import Commit, Entry, encoder
from treering.kernel.pages import ROW_BYTES, rows_that_fit
from treering.kernel.shared_limits import PAGE_MAX
from treering.kernel.subjects import Address, address_of, address_or_none
from treering.kernel.writer import Known, advance

CACHED_MAX = 2_000
TIMELINE_MAX = 64


class Row(NamedTuple):
    known: Known[Any]
    created_at: str
    created_by: str
    timeline: list[tuple[str, str]]  # (status, since when), oldest first


class StatesView:
    name = "states"
    version = "2"
    schema = """
    CREATE TABLE IF NOT EXISTS states (
      workspace TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
      position INTEGER NOT NULL, version INTEGER NOT NULL, hash TEXT NOT NULL,
      status TEXT NOT NULL, parent TEXT NOT NULL, archived INTEGER NOT NULL,
      first_position INTEGER NOT NULL, created_at TEXT NOT NULL, created_by TEXT NOT NULL, changed_at TEXT NOT NULL,
      labels BLOB NOT NULL, timeline BLOB NOT NULL, recent BLOB NOT NULL, state BLOB NOT NULL,
      PRIMARY KEY (workspace, kind, key)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS states_newest ON states (workspace, kind, archived, first_position);
    CREATE INDEX IF NOT EXISTS states_status ON states (kind, status);
    CREATE INDEX IF NOT EXISTS states_parent ON states (workspace, kind, parent, first_position);
    """

    def __init__(self) -> None:
        self.cached: OrderedDict[Address, tuple[Row, int]] = OrderedDict()

    def project(self, db: Database, entries: Sequence[Entry]) -> None:
        """Fold each entry; write each resource once a batch."""
        touched: dict[Address, tuple[Row, int]] = {}
        for entry in entries:
            address = address_of(entry.subject)
            if address.kind not in KINDS:
                continue  # A kind of a newer release: the audit view keeps it, we cannot fold it.
            commit = entry.commit()
            before = touched.get(address) or self.cached.get(address)
            if before is None and commit.version > 1:
                before = load(db, address)
            touched[address] = fold(address, before, entry, commit)
        db.executemany(
            f"INSERT OR REPLACE INTO states VALUES ({', '.join('?' * 17)})",
            [columns(address, row, first) for address, (row, first) in touched.items()],
        )
        self.cached.update(touched)
        while len(self.cached) > CACHED_MAX:
            self.cached.popitem(last=False)

    def forget(self) -> None:
        self.cached.clear()


def fold(address: Address, before: tuple[Row, int] | None, entry: Entry, commit: Commit) -> tuple[Row, int]:
    kind = KINDS[address.kind]
    at = commit.at.isoformat()
    row, first = before or (Row(Known(kind.initial), at, commit.actor, []), entry.position)
    events = kind.events.decode(commit.events)
    state = kind.fold(events, row.known.state)
    created_at, created_by = row.created_at, row.created_by
    if birth := kind.born(events):
        created_at, created_by = birth.at.isoformat() if birth.at else at, birth.by or commit.actor
    known = advance(row.known, state, entry.position, entry.subject, entry.body, commit.id)
    status = kind.summary(state).status
    timeline = row.timeline
    if not timeline or timeline[-1][0] != status:
        timeline = [*timeline, (status, at)][-TIMELINE_MAX:]
    return Row(known, created_at, created_by, timeline), first


def columns(address: Address, row: Row, first_position: int) -> tuple[Any, ...]:
    known = row.known
    summary = KINDS[address.kind].summary(known.state)
    return (
        *address, known.position, known.version, known.hash,
        summary.status, summary.parent, summary.archived,
        first_position, row.created_at, row.created_by, row.timeline[-1][1],
        encoder.encode(summary.labels), encoder.encode(row.timeline), encoder.encode(known.recent),
        encoder.encode(known.state),
    )  # fmt: skip


def load(db: Database, address: Address) -> tuple[Row, int] | None:
    found = db.execute("SELECT * FROM states WHERE workspace = ? AND kind = ? AND key = ?", address).fetchone()
    if found is None:
        return None
    recent = msgspec.json.decode(found["recent"], type=tuple[tuple[str, int, int], ...])
    state = KINDS[address.kind].states.decode(found["state"])
    known = Known(state, found["position"], found["version"], found["hash"], recent)
    timeline = msgspec.json.decode(found["timeline"], type=list[tuple[str, str]])
    return Row(known, found["created_at"], found["created_by"], timeline), found["first_position"]


def snapshot(db: Database, address: Address) -> Known[Any] | None:
    """What a writer may start from when it does not know the aggregate."""
    found = load(db, address)
    return found[0].known if found else None


class Resource(msgspec.Struct, frozen=True, omit_defaults=True):
    """One resource as the API shows it; ``state`` is the kind's own."""

    workspace: str
    kind: str
    name: str
    status: str
    position: int
    version: int
    created_at: str
    created_by: str
    changed_at: str
    timeline: list[tuple[str, str]]
    state: msgspec.Raw
    parent: str = ""
    archived: bool = False
    labels: dict[str, str] = {}
    warning: str = ""  # what is wrong with it now, beside the log; never of an earlier position


def resource(row: Any) -> Resource:
    return Resource(
        row["workspace"], row["kind"], row["key"], row["status"], row["position"], row["version"],
        row["created_at"], row["created_by"], row["changed_at"],
        msgspec.json.decode(row["timeline"], type=list[tuple[str, str]]), msgspec.Raw(row["state"]),
        row["parent"], bool(row["archived"]), msgspec.json.decode(row["labels"], type=dict[str, str]),
    )  # fmt: skip


def show(db: Database, address: Address) -> Resource | None:
    """``Refused("view.incomplete")`` for one whose entries could not all be applied."""
    require_complete(db, address)
    found = db.execute("SELECT * FROM states WHERE workspace = ? AND kind = ? AND key = ?", address).fetchone()
    return resource(found) if found else None


def newest(db: Database, workspace: str, kind: str, **wanted: Any) -> list[Resource]:
    """The newest resources of a kind first, whatever they hold: for what looks something up among them. For
    ``wanted`` see ``newest_rows``."""
    return [resource(row) for row in newest_rows(db, workspace, kind, **wanted)]


def newest_page(db: Database, workspace: str, kind: str, **wanted: Any) -> tuple[list[Resource], bool]:
    """A page of them to answer, and whether it ended before ``limit`` because it was full."""
    rows, cut = rows_that_fit(newest_rows(db, workspace, kind, **wanted), row_bytes)
    return [resource(row) for row in rows], cut


TAGGED = "EXISTS (SELECT 1 FROM json_each(CAST(labels AS TEXT)) WHERE key = ?"
PARENT_TAG = "mlflow.parentRunId"


def newest_rows(
    db: Database,
    workspace: str,
    kind: str,
    *,
    status: str = "",
    parent: str = "",
    prefix: str = "",
    of_job: str = "",
    tag: str = "",
    archived: bool | None = False,
    before: int = 0,
    limit: int = 100,
) -> Iterator[sqlite3.Row]:
    """Of the newest resources of a kind first, without those that cannot be shown.

    ``before`` is the page mark: the last page's smallest ``first_position`` (see ``page_mark``); ``archived`` None
    means both. ``of_job``: jobs that it submitted, or that name it as their parent in MLflow's tag. ``tag``: KEY or
    KEY=VALUE.
    """
    wanted = ["workspace = ?", "kind = ?"]
    values: list[Any] = [workspace, kind]
    for column, value in (("status", status), ("parent", parent)):
        if value:
            wanted.append(f"{column} = ?")
            values.append(value)
    if archived is not None:
        wanted.append("archived = ?")
        values.append(int(archived))
    if prefix:
        wanted.append("substr(key, 1, ?) = ?")
        values += [len(prefix), prefix]
    if of_job:
        wanted.append(f"(json_extract(CAST(state AS TEXT), '$.via') = ? OR {TAGGED} AND value = ?))")
        values += [of_job, PARENT_TAG, of_job]
    if tag:
        key, equals, value = tag.partition("=")
        wanted.append(f"{TAGGED}{' AND value = ?' if equals else ''})")
        values += [key, value] if equals else [key]
    if before:
        wanted.append("first_position < ?")
        values.append(before)
    if gone := incomplete_keys(db, workspace, kind):
        wanted.append("key NOT IN (SELECT value FROM json_each(?))")
        values.append(encoder.encode(sorted(gone)).decode())
    sql = f"SELECT * FROM states WHERE {' AND '.join(wanted)} ORDER BY first_position DESC LIMIT ?"
    return db.execute(sql, [*values, min(limit, PAGE_MAX)])


def row_bytes(row: sqlite3.Row) -> int:
    return ROW_BYTES + sum(len(row[column]) for column in ("state", "labels", "timeline"))


def page_mark(db: Database, address: Address) -> int:
    found = db.execute("SELECT first_position FROM states WHERE workspace = ? AND kind = ? AND key = ?", address)
    row = found.fetchone()
    return int(row["first_position"]) if row else 0


def with_status(db: Database, kind: str, statuses: Sequence[str]) -> list[tuple[Address, Any, int]]:
    """(address, state, position) of every resource of a kind in one of ``statuses``, oldest first."""
    gone = left_out(db)
    marks = ", ".join("?" * len(statuses))
    sql = f"SELECT * FROM states WHERE kind = ? AND status IN ({marks}) ORDER BY first_position"
    decoder = KINDS[kind].states
    return [
        (address, decoder.decode(row["state"]), row["position"])
        for row in db.execute(sql, (kind, *statuses))
        if (address := Address(row["workspace"], row["kind"], row["key"])) not in gone
    ]


def made_by_another(db: Database, prefix: Address, actor: str) -> str:
    """The key of a resource below ``prefix`` (whose key ends in a colon) that ``actor`` did not create; "" when it
    created all of them."""
    sql = "SELECT key FROM states WHERE workspace = ? AND kind = ? AND key > ? AND key < ? AND created_by <> ? LIMIT 1"
    end = f"{prefix.key[:-1]};"  # ";" follows ":"
    row = db.execute(sql, (prefix.workspace, prefix.kind, prefix.key, end, actor)).fetchone()
    return str(row["key"]) if row else ""


def left_out(db: Database) -> set[Address]:
    """The resources that the view cannot show."""
    found = (address_or_none(subject) for subject in incomplete_subjects(db))
    return {address for address in found if address is not None}
