"""The search for experiments. There are few of them: a condition for each comparison, and a sort."""

from __future__ import annotations

from collections.abc import Sequence

from treering.adapters.sqlite_view import Database
from treering.kernel.refusal import Refused
from treering.views.tracking.filter_sql import Sql, all_of, compared
from treering.views.tracking.run_filters import Clause, Order

COLUMNS = {
    "name": "e.name", "experiment_id": "e.id", "creation_time": "e.creation_time",
    "last_update_time": "e.last_update_time",
}  # fmt: skip
DEFAULT = (Order("attribute", "creation_time", False), Order("attribute", "experiment_id", True))


def search_experiments(
    db: Database, workspace: str, lifecycles: Sequence[int], clauses: Sequence[Clause], orders: Sequence[Order], *,
    offset: int, limit: int,
) -> list[int]:  # fmt: skip
    """The ids of the experiments that meet every comparison."""
    stages = f"e.lifecycle IN ({', '.join(map(str, lifecycles))})"
    where = all_of([Sql("e.workspace = ?", (workspace,)), Sql(stages), *map(condition, clauses)])
    terms = [f"{COLUMNS[order.key]} {'ASC' if order.ascending else 'DESC'}" for order in checked(orders) or DEFAULT]
    text = f"SELECT e.id FROM experiments e WHERE {where.text} ORDER BY {', '.join([*terms, 'e.id DESC'])}"
    return [row[0] for row in db.execute(f"{text} LIMIT ? OFFSET ?", (*where.values, limit, offset))]


def checked(orders: Sequence[Order]) -> Sequence[Order]:
    for order in orders:
        if order.entity != "attribute":
            raise Refused("filter.invalid", f"Invalid order_by entity: {order.entity}")
    return orders


def condition(clause: Clause) -> Sql:
    entity, key, comparator, value = clause
    if entity == "tag":
        exists = "EXISTS (SELECT 1 FROM experiment_tags x WHERE x.experiment = e.id AND x.key = ?"
        if comparator in ("IS NULL", "IS NOT NULL"):
            return Sql(f"{'NOT ' if comparator == 'IS NULL' else ''}{exists})", (key,))
        inner = compared("x.value", comparator, value)
        return Sql(f"{exists} AND {inner.text})", (key, *inner.values))
    if key == "experiment_id":
        if comparator not in ("=", "!=", "IN", "NOT IN"):
            raise Refused("filter.invalid", f"Invalid comparator for experiment_id: {comparator}")
        ids = [number(one) for one in (value if isinstance(value, tuple) else (value,))]
        return compared(COLUMNS[key], comparator, ids if isinstance(value, tuple) else ids[0])
    return compared(COLUMNS[key], comparator, value)


def number(text: object) -> int:
    digits = str(text).strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
        raise Refused(
            "filter.invalid", f"Invalid experiment ID '{digits[:100]}'. Experiment ID must be a valid integer."
        )
    return int(digits)
