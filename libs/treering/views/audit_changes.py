"""Which resources were written to between two positions."""

from __future__ import annotations

from treering.adapters.sqlite_view import Database
from treering.domain.event import EVENT
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.event_filters import BETWEEN, last_of

CHANGED = f"""
SELECT kind, key FROM event_rows JOIN groups USING (gid)
WHERE {BETWEEN} AND workspace = ? AND (kind = ? OR ? = '' AND kind <> ?) AND (kind, key) > (?, ?)
GROUP BY kind, key ORDER BY kind, key LIMIT ?
"""


def changed(db: Database, workspace: str, kind: str, since: int, until: int, after: str, limit: int) -> list[Address]:
    """The resources with a commit behind ``since``, up to ``until``, by kind and name; those behind ``after``."""
    last_kind, slash, last_key = after.partition("/")
    if after and not slash:
        raise Refused("query.bad_page", f"page {after[:40]!r} is not the next of an answer")
    bounds = (last_of(since) + 1 if since else 0, last_of(until))
    values = (*bounds, workspace, kind, kind, EVENT.kind, last_kind, last_key, limit)
    return [Address(workspace, row["kind"], row["key"]) for row in db.execute(CHANGED, values)]
