"""How many events there were, by type, kind, workspace, actor, name, day or hour."""

from __future__ import annotations

from treering.adapters.sqlite_view import Database
from treering.kernel.refusal import Refused
from treering.views.event_filters import Where, joined, scope_of
from treering.views.queries import CountAnswer, CountQuery, CountRow

ROWS_MAX = 1000
# What may be counted by: the column of the rows that says it, and whether it is a part of the group.
BY = {
    "type": "type",
    "kind": "kind",
    "workspace": "workspace",
    "actor": "actor",
    "name": "key",
    "day": "substr(at, 1, 10)",
    "hour": "substr(at, 1, 13) || ':00Z'",
}
OF_GROUPS = ("type", "kind", "workspace")


def count(db: Database, query: CountQuery) -> CountAnswer:
    """Answer ``qry.count``; ``Refused("query.bad_by")`` for a column there is not."""
    if query.by not in BY:
        raise Refused("query.bad_by", f"by is {query.by[:40]!r}; it must be one of {', '.join(BY)}")
    scope = scope_of(db, query)
    named = [Where("key = ?", (query.name,))] if query.name else []
    acted = [Where("actor = ?", (query.actor,))] if query.actor else []
    where, values = joined([*named, *acted, scope.between, *scope.times, *scope.of_groups])
    column = "gid" if query.by in OF_GROUPS else BY[query.by]
    inner = f"SELECT {column} AS value, count(*) AS events FROM event_rows WHERE {where} GROUP BY 1"
    if query.by in OF_GROUPS:
        inner = (
            f"SELECT {query.by} AS value, sum(events) AS events FROM ({inner}) JOIN groups ON gid = value GROUP BY 1"
        )
    found = db.execute(f"{inner} ORDER BY events DESC, value LIMIT {ROWS_MAX}", values)
    return CountAnswer([CountRow(str(row["value"]), row["events"]) for row in found])
