"""The page of a list of the past: which resources are on it, as the lifecycle view knows them."""

from __future__ import annotations

from itertools import islice

from treering.adapters.sqlite_view import Database
from treering.views.time_queries import ListAtQuery
from treering.views.versions import Wanted, conditions_of, resources_at, scope_number


def firsts_at(db: Database, query: ListAtQuery, position: int, limit: int) -> list[int]:
    """The first commits of up to ``limit`` resources, the newest first."""
    scope = scope_number(db, query.workspace, query.kind)
    archived = {"false": False, "true": True, "any": None}[query.archived]
    wanted = Wanted(scope, position, query.status, query.parent, archived, query.page)
    if not query.prefix:
        return resources_at(db, wanted, limit)
    return list(islice((rid for rid in named_so(db, query) if is_there(db, wanted, rid)), limit))


def named_so(db: Database, query: ListAtQuery) -> list[int]:
    """All resources of that name, whenever they came to be: names come in no order of time."""
    sql = "SELECT first_position FROM current WHERE workspace = ? AND kind = ? AND key >= ? AND key < ?"
    found = db.execute(sql, (query.workspace, query.kind, query.prefix, query.prefix + "\U0010ffff"))
    return sorted((row["first_position"] for row in found), reverse=True)


def is_there(db: Database, wanted: Wanted, rid: int) -> bool:
    fits, values = conditions_of(wanted)
    sql = f"SELECT 1 FROM versions WHERE scope = ? AND rid = ? AND {fits}"
    return db.execute(sql, [wanted.scope, rid, *values]).fetchone() is not None
