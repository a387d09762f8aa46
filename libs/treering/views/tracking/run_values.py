"""Order by a parameter or tag of which there are few values, each of many runs.

The index of the values has the runs of one value in no order, so a page would fetch and sort all that have the first
one: a third of a million. Asked value by value, a search walks the newest runs and soon has the page, provided that
what else is asked for is met often.
"""

from __future__ import annotations

from collections.abc import Sequence

from treering.adapters.sqlite_view import Database
from treering.views.tracking import run_conditions
from treering.views.tracking.filter_sql import all_of
from treering.views.tracking.run_conditions import TABLES, condition
from treering.views.tracking.run_filters import Clause, Order

VALUES_MAX = 16  # each is a search of its own
SAMPLE = 1000
MET_PERCENT_MIN = 1
# One seek of the index a value.
DISTINCT = """
WITH RECURSIVE v (value) AS (
  SELECT min(value) FROM {table} WHERE experiment = ?1 AND key = ?2 UNION ALL
  SELECT (SELECT min(value) FROM {table} WHERE experiment = ?1 AND key = ?2 AND value > v.value) FROM v
  WHERE v.value IS NOT NULL LIMIT ?3
) SELECT value FROM v WHERE value IS NOT NULL
"""


def few_values(db: Database, order: Order, experiments: Sequence[int]) -> list[str]:
    """The values that ``order`` puts in order, if they are few and some are of many runs; else none."""
    if order.entity not in ("parameter", "tag"):
        return []
    found: set[str] = set()
    rows, table = 0, TABLES[order.entity]
    many = f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE experiment = ? AND key = ? LIMIT ?)"
    rows_enough = VALUES_MAX * run_conditions.FEW
    for experiment in experiments:
        values = db.execute(DISTINCT.format(table=table), (experiment, order.key, VALUES_MAX + 1))
        found |= {row[0] for row in values}
        if len(found) > VALUES_MAX:
            return []
        rows += db.execute(many, (experiment, order.key, rows_enough)).fetchone()[0]
    return sorted(found, reverse=not order.ascending) if rows >= rows_enough else []


def met_often(db: Database, clauses: Sequence[Clause], cells: Sequence[tuple[int, int]]) -> bool:
    """Whether enough of the newest runs of the (experiment, lifecycle) pairs meet the comparisons."""
    if not clauses:
        return True
    where = all_of([condition(clause) for clause in clauses])
    newest = "SELECT * FROM runs WHERE experiment = ? AND lifecycle = ? ORDER BY start_time DESC LIMIT ?"
    counts = f"SELECT count(*), ifnull(sum({where.text}), 0) FROM ({newest}) r"
    seen = met = 0
    for cell in cells:
        row = db.execute(counts, (*where.values, *cell, SAMPLE)).fetchone()
        seen, met = seen + row[0], met + row[1]
    return met * 100 >= seen * MET_PERCENT_MIN
