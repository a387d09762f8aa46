"""What is asked of the audit view: events by any filter, and the story of one resource with its causes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from treering.adapters.incomplete import require_complete
from treering.adapters.sqlite_view import Database
from treering.domain.job import JOB
from treering.domain.run import RUN
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.audit import INDEX_BITS
from treering.views.event_filters import ID_MAX, ids, scope_of
from treering.views.queries import (
    LIMIT_MAX,
    AuditAnswer,
    AuditQuery,
    AuditRow,
    Because,
    StoryAnswer,
    StoryQuery,
    StoryRow,
)

ANSWER_BYTES_MAX = 900_000  # a NATS message has at most 1 MiB
ROW_BYTES = 1000  # of a row beside its data, generously
DATA_BYTES_MAX = 512 * 1024
OMITTED = msgspec.Raw(b"null")
# A job and its run have one name and one story, by whichever kind it is asked for.
TWINS = {JOB.kind: RUN.kind, RUN.kind: JOB.kind}
STORY = """
SELECT id FROM event_rows WHERE key = :name AND +gid IN (
  SELECT gid FROM groups WHERE workspace = :workspace AND kind IN (:kind, :twin)) AND id > :after
UNION
SELECT id FROM event_rows WHERE about IN (:about, :about_twin) AND about <> '' AND +gid IN (
  SELECT gid FROM groups WHERE workspace = :workspace AND kind = 'event') AND id > :after
ORDER BY id LIMIT :limit
"""


def audit(db: Database, query: AuditQuery) -> AuditAnswer:
    """The page of events that match; raises Refused for a bad moment, limit or page."""
    limit = checked_limit(query.limit)
    scope = scope_of(db, query)
    if query.page and query.oldest_first:
        scope = scope._replace(low=max(scope.low, row_id(query.page) + 1))
    elif query.page:
        scope = scope._replace(high=min(scope.high, row_id(query.page) - 1))
    order = "ASC" if query.oldest_first else "DESC"
    found, next = page(db, ids(db, query, scope, order, cause=query.cause, text=query.text), limit)
    return AuditAnswer([AuditRow(**columns(row)) for row in found], next)


def story(db: Database, query: StoryQuery) -> StoryAnswer:
    """The events of a resource and those published about it, in order; ``Refused`` for a bad limit or page, or when
    there never was such a resource and nothing was published about it."""
    limit = checked_limit(query.limit)
    after = row_id(query.page) if query.page else 0
    twin = TWINS.get(query.kind, query.kind)
    require_complete(db, *(Address(query.workspace, kind, query.name) for kind in {query.kind, twin}))
    asked = {"workspace": query.workspace, "kind": query.kind, "twin": twin, "name": query.name}
    asked |= {"about": f"{query.kind}/{query.name}", "about_twin": f"{twin}/{query.name}"}
    found = db.execute(STORY, {**asked, "after": after, "limit": limit + 1})
    rows, next = page(db, (row["id"] for row in found), limit)
    if not rows and not after:
        raise Refused(f"{query.kind}.absent", f"there is no {query.kind} {query.name[:80]!r}, and never was")
    known = {cause: because(db, cause) for cause in {row["cause"] for row in rows}}
    return StoryAnswer([StoryRow(**columns(row), because=known[row["cause"]]) for row in rows], next)


def because(db: Database, cause: str) -> Because | None:
    """The first event of the commit that ``cause`` names, by its id or the id of its command."""
    if not cause:
        return None
    for column in ("commit_id", "command_id"):
        sql = f"SELECT kind, name, type, position FROM events WHERE {column} = ? ORDER BY id LIMIT 1"
        if row := db.execute(sql, (cause,)).fetchone():
            return Because(*row)
    return None


def page(db: Database, found: Iterable[int], limit: int) -> tuple[list[sqlite3.Row], str]:
    """As many rows as an answer may hold, and the mark of the last when there are more."""
    rows: list[sqlite3.Row] = []
    size = 0
    for id in found:
        row = db.execute("SELECT * FROM events WHERE id = ?", (id,)).fetchone()
        size += ROW_BYTES + min(len(row["data"]), DATA_BYTES_MAX)
        if len(rows) == limit or (rows and size > ANSWER_BYTES_MAX):
            return rows, f"{rows[-1]['position']}.{rows[-1]['index']}"
        rows.append(row)
    return rows, ""


def columns(row: sqlite3.Row) -> dict[str, Any]:
    data = row["data"]
    omitted = len(data) > DATA_BYTES_MAX
    plain = {name: row[name] for name in row.keys() if name not in ("id", "data")}  # noqa: SIM118 (a Row has values)
    return {**plain, "data": OMITTED if omitted else msgspec.Raw(data), "data_bytes": len(data) if omitted else 0}


def row_id(mark: str) -> int:
    """The row a page mark (``position.index``) stands for; ``Refused("query.bad_page")`` if it is none."""
    position, _, index = mark.partition(".")
    if not (mark.isascii() and position.isdigit() and index.isdigit() and len(mark) <= 20):
        raise Refused("query.bad_page", f"page {mark[:40]!r} is not the next of an answer")
    return min(int(position) << INDEX_BITS | int(index), ID_MAX)


def checked_limit(limit: int) -> int:
    if not 1 <= limit <= LIMIT_MAX:
        raise Refused("query.bad_limit", f"limit is {limit}, it may be 1 to {LIMIT_MAX}")
    return limit
