"""A comparison of a run search as SQL: a condition on ``r``, and where an index finds the runs that meet it.

Every condition is a look-up by primary key from the run, so that a plan may walk any order and probe.
"""

from __future__ import annotations

from typing import NamedTuple

from treering.adapters.sqlite_view import Database
from treering.views.tracking.filter_sql import Sql, compared
from treering.views.tracking.run_filters import Clause

COLUMNS = {
    "run_id": "r.run_id", "run_name": "r.name", "user_id": "r.user", "status": "r.status",
    "start_time": "r.start_time", "end_time": "r.end_time",
    "artifact_uri": "(SELECT artifact_uri(artifact_location, r.run_id) FROM experiments WHERE id = r.experiment)",
}  # fmt: skip
TABLES = {"metric": "latest_metrics", "parameter": "run_params", "tag": "run_tags", "dataset": "run_datasets"}
INDEXED = {"=", "<", "<=", ">", ">="}
FEW = 1000  # runs that it costs less to fetch and sort than to find by walking an order


class Driver(NamedTuple):
    """A table that holds the runs which meet ``clause``, and which of its rows they are."""

    clause: Clause
    table: str
    where: Sql


def condition(clause: Clause) -> Sql:
    entity, key, comparator, value = clause
    if entity == "attribute":
        return compared(COLUMNS[key], comparator, value)
    if comparator in ("IS NULL", "IS NOT NULL"):
        word = "NOT EXISTS" if comparator == "IS NULL" else "EXISTS"
        return Sql(f"{word} (SELECT 1 FROM {TABLES[entity]} x WHERE x.run = r.number AND x.key = ?)", (key,))
    if entity == "dataset":
        inner = compared(f"x.{key}", comparator, value)
        return Sql(f"EXISTS (SELECT 1 FROM run_datasets x WHERE x.run = r.number AND {inner.text})", inner.values)
    inner = compared("x.value", comparator, value)
    # NaN is kept as NULL: it differs from every number, and every other comparison with it fails.
    text = f"(x.value IS NULL OR {inner.text})" if (entity, comparator) == ("metric", "!=") else inner.text
    exists = f"EXISTS (SELECT 1 FROM {TABLES[entity]} x WHERE x.run = r.number AND x.key = ? AND {text})"
    return Sql(exists, (key, *inner.values))


def driver(clause: Clause, experiment: int) -> Driver | None:
    """How an index finds the runs of an experiment that meet ``clause``; None when none does."""
    entity, key, comparator, value = clause
    if entity == "metric" and comparator in INDEXED:
        where = Sql(f"d.experiment = ? AND d.key = ? AND d.value {comparator} ?", (experiment, key, value))
    elif entity in ("parameter", "tag") and comparator == "=":
        where = Sql("d.experiment = ? AND d.key = ? AND d.value = ?", (experiment, key, value))
    elif entity == "dataset" and key == "name" and comparator == "=":
        where = Sql("d.experiment = ? AND d.name = ?", (experiment, value))
    else:
        return None
    return Driver(clause, TABLES[entity], where)


def best_driver(db: Database, clauses: list[Clause], experiment: int) -> Driver | None:
    """The comparison that the fewest runs meet, if those are few; each count stops where they are too many."""
    best, fewest = None, FEW + 1
    for clause in clauses:
        found = driver(clause, experiment)
        if found is None:
            continue
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {found.table} d WHERE {found.where.text} LIMIT {fewest})"
        count = db.execute(sql, found.where.values).fetchone()[0]
        if count < fewest:
            best, fewest = found, count
    return best
