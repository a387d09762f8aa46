"""What is asked of the audit view: events by any filter, and the story of one resource with its causes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from treering.adapters.sqlite_view import Database
from treering.kernel.refusal import Refused
from treering.views.audit import INDEX_BITS
from treering.views.moments import moment
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
STORY = """
SELECT * FROM (
  SELECT * FROM events WHERE workspace = :workspace AND kind = :kind AND key = :name AND id > :after
  UNION
  SELECT * FROM events WHERE workspace = :workspace AND about_kind = :kind AND about_key = :name AND about_kind <> ''
    AND id > :after
) ORDER BY id LIMIT :limit
"""


def audit(db: Database, query: AuditQuery) -> AuditAnswer:
    """The page of events that match; raises Refused for a bad moment, limit or page."""
    limit = checked_limit(query.limit)
    conditions = [pair for pair in filters(query) if pair[1] not in ("", b"")]
    if query.page:
        conditions.append((f"id {'>' if query.oldest_first else '<'} ?", row_id(query.page)))
    where = " AND ".join(sql for sql, _ in conditions) or "1"
    order = "ASC" if query.oldest_first else "DESC"
    sql = f"SELECT * FROM events WHERE {where} ORDER BY id {order} LIMIT ?"
    found, next = page(db.execute(sql, [*(value for _, value in conditions), limit + 1]), limit)
    return AuditAnswer([AuditRow(**columns(row)) for row in found], next)


def filters(query: AuditQuery) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = [
        ("workspace = ?", query.workspace),
        ("actor = ?", query.actor),
        ("kind = ?", query.kind),
        ("key = ?", query.name),
        ("type = ?", query.type),
        ("cause = ?", query.cause),
        ("instr(data, ?) > 0", query.text.encode()),
    ]
    for field, sign in (("since", ">="), ("until", "<=")):
        if text := getattr(query, field):
            value = moment(text, field)
            pairs.append((f"{'position' if isinstance(value, int) else 'at'} {sign} ?", value))
    return pairs


def story(db: Database, query: StoryQuery) -> StoryAnswer:
    """The events of a resource and those published about it, in order; ``Refused`` for a bad limit or page."""
    limit = checked_limit(query.limit)
    after = row_id(query.page) if query.page else 0
    found = db.execute(
        STORY,
        {"workspace": query.workspace, "kind": query.kind, "name": query.name, "after": after, "limit": limit + 1},
    )
    rows, next = page(found, limit)
    known = {cause: because(db, cause) for cause in {row["cause"] for row in rows}}
    return StoryAnswer([StoryRow(**columns(row), because=known[row["cause"]]) for row in rows], next)


def because(db: Database, cause: str) -> Because | None:
    """The first event of the commit that ``cause`` names, by its id or the id of its command."""
    if not cause:
        return None
    for column in ("commit_id", "command_id"):
        sql = f"SELECT kind, key, type, position FROM events WHERE {column} = ? ORDER BY id LIMIT 1"
        if row := db.execute(sql, (cause,)).fetchone():
            return Because(*row)
    return None


def page(found: Iterable[sqlite3.Row], limit: int) -> tuple[list[sqlite3.Row], str]:
    """As many rows as an answer may hold, and the mark of the last when there are more."""
    rows: list[sqlite3.Row] = []
    size = 0
    for row in found:
        size += ROW_BYTES + min(len(row["data"]), DATA_BYTES_MAX)
        if len(rows) == limit or (rows and size > ANSWER_BYTES_MAX):
            return rows, f"{rows[-1]['position']}.{rows[-1]['idx']}"
        rows.append(row)
    return rows, ""


def columns(row: sqlite3.Row) -> dict[str, Any]:
    data = row["data"]
    omitted = len(data) > DATA_BYTES_MAX
    return {
        "position": row["position"], "index": row["idx"],
        "workspace": row["workspace"], "kind": row["kind"], "name": row["key"],
        "type": row["type"], "at": row["at"], "actor": row["actor"], "cause": row["cause"], "trace": row["trace"],
        "command_id": row["command_id"], "commit_id": row["commit_id"],
        "about": f"{row['about_kind']}/{row['about_key']}" if row["about_kind"] else "",
        "data": OMITTED if omitted else msgspec.Raw(data), "data_bytes": len(data) if omitted else 0,
    }  # fmt: skip


def row_id(mark: str) -> int:
    """The row a page mark (``position.index``) stands for; ``Refused("query.bad_page")`` if it is none."""
    position, _, index = mark.partition(".")
    if not (mark.isascii() and position.isdigit() and index.isdigit() and len(mark) <= 20):
        raise Refused("query.bad_page", f"page {mark[:40]!r} is not the next of an answer")
    return int(position) << INDEX_BITS | int(index)


def checked_limit(limit: int) -> int:
    if not 1 <= limit <= LIMIT_MAX:
        raise Refused("query.bad_limit", f"limit is {limit}, it may be 1 to {LIMIT_MAX}")
    return limit
