"""Searches for logged models: by attributes, parameters, tags, and the latest value of a metric.

The latest value is that of the highest step, then timestamp, then value; ``data sets`` narrow which points count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from treering.adapters.sqlite_view import Database
from treering.kernel.pages import ROW_BYTES, page_of, rows_that_fit
from treering.kernel.refusal import Refused
from treering.views.tracking.filter_sql import SYMBOLS, Sql, all_of, compared
from treering.views.tracking.filter_text import Clause, parse_filter
from treering.views.tracking.logged_models import COLUMNS, LATEST, LoggedModelRow, with_metrics

TEXTS = {
    "model_id": "model_id", "name": "name", "experiment_id": "experiment_id", "artifact_location": "artifact_uri",
    "status": "status", "model_type": "model_type", "source_run_id": "source_run_id",
}  # fmt: skip
NUMBERS = {
    "creation_timestamp_ms": "created_ms", "creation_timestamp": "created_ms", "creation_time": "created_ms",
    "last_updated_timestamp_ms": "updated_ms", "last_updated_timestamp": "updated_ms",
}  # fmt: skip
STATUSES = {"PENDING": "pending", "READY": "ready", "FAILED": "failed", "UNSPECIFIED": "absent"}
TEXT_COMPARATORS = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
ENTITIES = ("attributes", "metrics", "params", "tags")
ORDER_MAX = 20
OF_MODEL = "x.workspace = m.workspace AND x.model_id = m.model_id"


class DataSet(NamedTuple):
    """Points measured on the data set of this name and this digest; what is "" says nothing."""

    name: str
    digest: str = ""


class Ordering(NamedTuple):
    """``field`` is an attribute or ``metrics.KEY``; of a metric, ``data_set`` narrows the points that count."""

    field: str
    ascending: bool = True
    data_set: DataSet = DataSet("")


class Search(NamedTuple):
    workspace: str
    experiment_ids: Sequence[str]
    filter: str = ""
    data_sets: Sequence[DataSet] = ()
    order: Sequence[Ordering] = ()
    limit: int = 50
    offset: int = 0


def search(db: Database, asked: Search) -> tuple[list[LoggedModelRow], bool]:
    """A page of the models that match, and whether there are more; ``Refused("filter.invalid")``."""
    where = all_of(conditions(asked))
    order = ordering(asked)
    sql = f"SELECT {COLUMNS} FROM logged_models m WHERE {where.text} ORDER BY {order.text} LIMIT ? OFFSET ?"
    rows = db.execute(sql, (*where.values, *order.values, asked.limit + 1, asked.offset))
    kept, cut = rows_that_fit(rows, lambda row: ROW_BYTES + 2 * len(row["state"]))
    page, taken = page_of(
        kept[: asked.limit],
        lambda some, room: [with_metrics(db, asked.workspace, row, room) for row in some],
        at_once=1,
    )
    return page, cut or taken < len(kept)


def conditions(asked: Search) -> list[Sql]:
    clauses = parsed(asked.filter)
    found = [
        Sql("m.workspace = ?", (asked.workspace,)),
        compared("m.experiment_id", "IN", asked.experiment_ids),
        Sql("m.deleted = 0"),
        *(condition(clause, asked.data_sets) for clause in clauses),
    ]
    if asked.data_sets and not any(clause.entity == "metrics" for clause in clauses):
        measured = on(asked.data_sets)
        of_model = "x.workspace = m.workspace AND x.model_id = m.model_id"
        found.append(
            Sql(f"EXISTS (SELECT 1 FROM logged_model_metrics x WHERE {of_model}{measured.text})", measured.values)
        )
    return found


def parsed(text: str) -> list[Clause]:
    """This search has words of its own for what is no filter."""
    try:
        return parse_filter(text)
    except Refused as refused:
        raise wrong(f"Invalid filter string: {text[:200]!r}. {refused.detail}") from None


def on(data_sets: Sequence[DataSet]) -> Sql:
    """The points of any of these data sets; of none, all."""
    if not data_sets:
        return Sql("")
    alternatives = [all_of(said_of(one)) for one in data_sets]
    text = " OR ".join(f"({one.text})" for one in alternatives)
    return Sql(f" AND ({text})", tuple(value for one in alternatives for value in one.values))


def said_of(data_set: DataSet) -> list[Sql]:
    said = {"x.dataset_name": data_set.name, "x.dataset_digest": data_set.digest}
    return [compared(column, "=", value) for column, value in said.items() if value]


def latest(key: str, *data_sets: Sequence[DataSet]) -> Sql:
    """The latest value of a metric of the model ``m`` among the points on each of ``data_sets``, NULL without one."""
    measured = [on(some) for some in data_sets]
    where = f"{OF_MODEL} AND x.key = ?{''.join(one.text for one in measured)}"
    values = (key, *(value for one in measured for value in one.values))
    return Sql(f"(SELECT x.value FROM logged_model_metrics x WHERE {where} {LATEST})", values)


def condition(clause: Clause, data_sets: Sequence[DataSet]) -> Sql:
    match clause.entity:
        case "metrics":
            value = latest(clause.key, data_sets)
            checked(clause, tuple(SYMBOLS))
            return Sql(f"{value.text} {SYMBOLS[clause.comparator]} ?", (*value.values, number(clause)))
        case "params" | "tags":
            checked(clause, TEXT_COMPARATORS)
            value = compared("x.value", clause.comparator, text(clause))
            where = f"{OF_MODEL} AND x.what = ? AND x.key = ? AND {value.text}"
            what = clause.entity.removesuffix("s")
            return Sql(f"EXISTS (SELECT 1 FROM logged_model_texts x WHERE {where})", (what, clause.key, *value.values))
        case "" | "attributes":
            return attribute(clause)
        case _:
            raise wrong(f"Invalid entity type: {clause.entity[:100]!r}. Expected one of {list(ENTITIES)}.")


def attribute(clause: Clause) -> Sql:
    if clause.key in NUMBERS:
        checked(clause, tuple(SYMBOLS))
        return compared(f"m.{NUMBERS[clause.key]}", clause.comparator, number(clause))
    if clause.key not in TEXTS:
        raise wrong(f"Invalid attribute: {clause.key[:100]!r}. Expected one of {sorted({*TEXTS, *NUMBERS})}.")
    if clause.key == "status":
        return status(clause)
    checked(clause, TEXT_COMPARATORS)
    return compared(f"m.{TEXTS[clause.key]}", clause.comparator, text(clause))


def status(clause: Clause) -> Sql:
    if clause.comparator not in ("=", "!=", "IN", "NOT IN"):
        raise wrong(f"Invalid comparison operator for status: {clause.comparator}")
    said = text(clause)
    words = said if isinstance(said, tuple) else (said,)
    if not all(word in STATUSES for word in words):
        raise wrong(f"Unknown model status in filter: {said!r}"[:300])
    values = tuple(STATUSES[word] for word in words)
    return compared("m.status", clause.comparator, values if isinstance(said, tuple) else values[0])


def checked(clause: Clause, comparators: Sequence[str]) -> None:
    if clause.comparator not in comparators:
        name = f"{clause.entity or 'attributes'}.{clause.key[:100]}"
        wanted = tuple(comparators)
        raise wrong(f"Invalid comparison operator for {name}: {clause.comparator!r}. Expected one of {wanted}.")


def text(clause: Clause) -> str | tuple[str, ...]:
    value = clause.value
    if clause.comparator in ("IN", "NOT IN"):
        if value.kind == "list":
            return value.items
    elif value.kind in ("string", "number", "word"):
        return value.text
    raise wrong(f"Invalid filter string: {value.text[:100]!r} is not a value for {clause.comparator}")


def number(clause: Clause) -> float:
    try:
        return float(clause.value.text)
    except ValueError:
        raise wrong(f"Invalid filter string: {clause.value.text[:100]!r} is not a number") from None


def ordering(asked: Search) -> Sql:
    """Values that are missing come last in both directions; ties are broken by the newest, then by id."""
    if len(asked.order) > ORDER_MAX:
        raise wrong(f"order_by has {len(asked.order)} fields, at most {ORDER_MAX} are taken")
    parts: list[Sql] = []
    for one in asked.order:
        value, direction = ordered_by(one, asked.data_sets), "ASC" if one.ascending else "DESC"
        parts += [Sql(f"{value.text} IS NULL", value.values), Sql(f"{value.text} {direction}", value.values)]
    names = {TEXTS.get(one.field) or NUMBERS.get(one.field) for one in asked.order}
    if "created_ms" not in names:
        parts.append(Sql("m.created_ms DESC"))
    if "model_id" not in names:
        parts.append(Sql("m.model_id ASC"))
    return Sql(", ".join(one.text for one in parts), tuple(value for one in parts for value in one.values))


def ordered_by(one: Ordering, data_sets: Sequence[DataSet]) -> Sql:
    entity, point, key = one.field.partition(".")
    if not point:
        column = TEXTS.get(one.field) or NUMBERS.get(one.field)
        if column is None:
            raise wrong(f"Invalid order by field name: {one.field[:100]}")
        return Sql(f"m.{column}")
    if entity != "metrics":
        raise wrong(f"Invalid order by field name: {one.field[:100]}. Only metrics are supported.")
    return latest(key, data_sets, [one.data_set])


def wrong(detail: str) -> Refused:
    return Refused("filter.invalid", detail)
