"""Which resources there were at any position, and in which status: the intervals of their versions.

A version of a resource begins where its status, parent or archived mark changes; other changes do not show in
lists. A list as of position P holds, of every resource that was there, the one version with
``position <= P < until``. Two ways lead to them:

- newest first along the resources (``rid`` is the position of the first commit), until the page is full;
- for a status that is rare at P, by the interval tree: each ended version is filed under its *fork*, the number
  within it that can be halved most often. Whatever interval holds P is filed under one of P's forks, which are
  as many as a position has bits (the relational interval tree of Kriegel, Poetke and Seidl, VLDB 2000).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from treering.adapters.sqlite_view import Database

OPEN = 2**62  # the ``until`` of a version that is still so
OPEN_FORK = 0
POSITION_BITS = 43
SCHEMA = """
CREATE TABLE IF NOT EXISTS scopes (
  scope INTEGER PRIMARY KEY, workspace TEXT NOT NULL, kind TEXT NOT NULL, UNIQUE (workspace, kind)
);
CREATE TABLE IF NOT EXISTS versions (
  scope INTEGER NOT NULL, rid INTEGER NOT NULL, position INTEGER NOT NULL, until INTEGER NOT NULL,
  fork INTEGER NOT NULL, archived INTEGER NOT NULL, status TEXT NOT NULL, parent TEXT NOT NULL,
  PRIMARY KEY (scope, rid, position)
) WITHOUT ROWID;
"""
INDICES = """
CREATE INDEX IF NOT EXISTS versions_fork ON versions (scope, status, fork);
CREATE INDEX IF NOT EXISTS versions_parent ON versions (scope, parent, rid);
"""
INSERT = "INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
LOOKED_AT_MAX = 20_000  # versions passed by before the interval tree is asked
FOUND_MAX = 200_000


class Wanted(NamedTuple):
    """What a list as of ``position`` is to hold. ``before``: only resources older than this ``rid``; 0 is all."""

    scope: int
    position: int
    status: str = ""
    parent: str = ""
    archived: bool | None = False
    before: int = 0


def fork_of(first: int, last: int) -> int:
    """The fork of the positions ``first`` to ``last``."""
    level = ((first - 1) ^ last).bit_length() - 1
    return last >> level << level


def forks_holding(position: int) -> list[int]:
    """The forks of all intervals that can hold ``position``."""
    trailing = (position & -position).bit_length() - 1
    above = (position >> level + 1 << level + 1 | 1 << level for level in range(trailing, POSITION_BITS))
    return sorted(above)


def version_row(
    scope: int, rid: int, position: int, until: int, archived: bool, status: str, parent: str
) -> tuple[Any, ...]:
    fork = OPEN_FORK if until == OPEN else fork_of(position, until - 1)
    return (scope, rid, position, until, fork, archived, status, parent)


def scope_number(db: Database, workspace: str, kind: str) -> int:
    """The number of a workspace's kind, 0 when nothing of it was ever there."""
    found = db.execute("SELECT scope FROM scopes WHERE workspace = ? AND kind = ?", (workspace, kind)).fetchone()
    return int(found["scope"]) if found else 0


def resources_at(db: Database, wanted: Wanted, limit: int) -> list[int]:
    """The ``rid`` of up to ``limit`` resources that were there, the newest first."""
    found = along(db, wanted, limit, LOOKED_AT_MAX)
    edge = edge_of(db, wanted) if len(found) < limit else 0
    if not edge:
        return found
    rest = wanted._replace(before=edge + 1)  # Some versions of the resource at the edge were not looked at yet.
    older = by_forks(db, rest) if wanted.status else along(db, rest, limit, -1)
    return [*found, *(rid for rid in older if rid not in found)][:limit]


def along(db: Database, wanted: Wanted, limit: int, looked_at_max: int) -> list[int]:
    """Newest first, until there are ``limit``; at most ``looked_at_max`` versions are looked at (-1: all)."""
    way, on_it = way_of(wanted)
    fits, values = conditions_of(wanted)
    passed = f"SELECT * FROM versions WHERE {way} ORDER BY rid DESC LIMIT ?"
    sql = f"SELECT rid FROM ({passed}) WHERE {fits} LIMIT ?"
    return [row["rid"] for row in db.execute(sql, [*on_it, looked_at_max, *values, limit])]


def edge_of(db: Database, wanted: Wanted) -> int:
    """The resource at which ``along`` stopped looking, 0 when it saw all."""
    way, on_it = way_of(wanted)
    sql = f"SELECT rid FROM versions WHERE {way} ORDER BY rid DESC LIMIT 1 OFFSET {LOOKED_AT_MAX}"
    found = db.execute(sql, on_it).fetchone()
    return int(found["rid"]) if found else 0


def way_of(wanted: Wanted) -> tuple[str, list[Any]]:
    """The versions to pass by: of resources that were there then, of one parent if that is asked."""
    newest = min(wanted.position, wanted.before - 1) if wanted.before else wanted.position
    if wanted.parent:
        return "scope = ? AND parent = ? AND rid <= ?", [wanted.scope, wanted.parent, newest]
    return "scope = ? AND rid <= ?", [wanted.scope, newest]


def conditions_of(wanted: Wanted) -> tuple[str, list[Any]]:
    """What one version must fulfil."""
    pairs: list[tuple[str, Any]] = [("position <= ?", wanted.position), ("until > ?", wanted.position)]
    pairs += [("status = ?", wanted.status)] if wanted.status else []
    pairs += [("parent = ?", wanted.parent)] if wanted.parent else []
    pairs += [] if wanted.archived is None else [("archived = ?", int(wanted.archived))]
    pairs += [("rid < ?", wanted.before)] if wanted.before else []
    return " AND ".join(sql for sql, _ in pairs), [value for _, value in pairs]


def by_forks(db: Database, wanted: Wanted) -> list[int]:
    """All resources in the status then, by the interval tree; the newest first."""
    fits, values = conditions_of(wanted)
    sql = f"SELECT rid FROM versions WHERE scope = ? AND fork = ? AND {fits} LIMIT {FOUND_MAX}"
    rids: set[int] = set()
    for fork in (OPEN_FORK, *forks_holding(wanted.position)):
        rids.update(row["rid"] for row in db.execute(sql, [wanted.scope, fork, *values]))
    return sorted(rids, reverse=True)


def make_indices(db: Database) -> None:
    """What lists of the past need beyond the rows; safe to say again."""
    db.executescript(INDICES)
