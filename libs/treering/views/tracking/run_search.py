"""The search for runs: which, in which order, from where on.

Runs that lack what is ordered by come last, those whose metric is NaN before them, in both directions. So a search
goes in phases: values first, then NaN, then the rest; a phase is asked only when the ones before did not fill the
page. In a phase each (experiment, lifecycle) is a query of its own: either an index walks the order and the other
comparisons are probed run by run, or few runs meet one of them (run_conditions.py) and are sorted. An order by few
values is a search for each of them (run_values.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from treering.adapters.sqlite_view import Database
from treering.views.tracking.filter_sql import SYMBOLS, Sql, all_of
from treering.views.tracking.run_conditions import COLUMNS, INDEXED, TABLES, best_driver, condition
from treering.views.tracking.run_filters import Clause, Order
from treering.views.tracking.run_reads import artifact_uri
from treering.views.tracking.run_values import few_values, met_often

CELLS_MAX = 50  # more (experiment, lifecycle) pairs are searched in one query, with a sort
NEWEST = Order("attribute", "start_time", False)
NULLABLE = {"end_time"}


class RunSearch(Struct, frozen=True):
    """``offset`` runs are passed over, then at most ``limit`` come."""

    workspace: str
    experiments: Sequence[int]
    lifecycles: Sequence[int]
    clauses: list[Clause]
    orders: list[Order]
    offset: int
    limit: int


class Phase(NamedTuple):
    """Runs with a value to order by, or those without. ``join`` binds ``o``, the row that holds the value."""

    join: Sql
    where: Sql
    terms: list[str]
    walks: bool  # an index has the runs of one cell in this order


class Cell(NamedTuple):
    experiment: int
    lifecycle: int


def search(db: Database, query: RunSearch) -> list[int]:
    """The numbers of the runs. Whoever asks bounds the time: there are filters that nothing makes quick."""
    wanted = query.offset + query.limit
    db.create_function("artifact_uri", 2, artifact_uri, deterministic=True)
    return numbers_of(db, query, wanted)[query.offset : wanted]


def numbers_of(db: Database, query: RunSearch, wanted: int) -> list[int]:
    """The first ``wanted``."""
    numbers: list[int] = []
    cells = [Cell(one, stage) for one in dict.fromkeys(query.experiments) for stage in query.lifecycles]
    if by_value := searches_by_value(db, query, cells):
        for one in by_value:
            numbers += numbers_of(db, one, wanted - len(numbers)) if len(numbers) < wanted else []
        return numbers
    for phase in phases(query):
        if not cells or len(numbers) >= wanted:
            break
        sql = selection(db, query, phase, cells, wanted - len(numbers))
        numbers += [row[0] for row in db.execute(sql.text, sql.values)]
    return numbers


def searches_by_value(db: Database, query: RunSearch, cells: Sequence[Cell]) -> list[RunSearch]:
    """One after the other they find what ``query`` finds; none when it is better asked as a whole."""
    if not query.orders or len(cells) > CELLS_MAX or any(best_driver(db, query.clauses, one) for one, _ in cells):
        return []
    first, *others = query.orders
    values = few_values(db, first, list(dict.fromkeys(query.experiments)))
    if not values or not met_often(db, query.clauses, cells):
        return []
    of_it = [Clause(first.entity, first.key, "=", value) for value in values]
    of_it.append(Clause(first.entity, first.key, "IS NULL", None))
    return [msgspec.structs.replace(query, clauses=[*query.clauses, one], orders=others) for one in of_it]


def phases(query: RunSearch) -> Iterator[Phase]:
    first, *others = query.orders or [NEWEST]
    rest, joins = secondary(others)
    if not any(order[:2] == NEWEST[:2] for order in query.orders):
        rest = [*rest, "r.start_time DESC"] if query.orders else rest
    rest = [*rest, "r.run_id"]
    way = "ASC" if first.ascending else "DESC"
    if first.entity == "attribute":
        column = COLUMNS[first.key]
        present = Sql(f"{column} IS NOT NULL") if first.key in NULLABLE else Sql("1")
        yield Phase(joins, present, [f"{column} {way}", *rest], first.key == "start_time")
        if first.key in NULLABLE:
            yield Phase(joins, Sql(f"{column} IS NULL"), rest, False)
        return
    join = Sql(f"CROSS JOIN {TABLES[first.entity]} o ON o.run = r.number AND o.key = ? {joins.text}",
               (first.key, *joins.values))  # fmt: skip
    missing = f"NOT EXISTS (SELECT 1 FROM {TABLES[first.entity]} o WHERE o.run = r.number AND o.key = ?)"
    if first.entity == "metric":
        yield Phase(join, Sql("o.value IS NOT NULL"), [f"o.value {way}", *rest], True)
        if same_metric(query, first):
            return
        yield Phase(join, Sql("o.value IS NULL"), rest, False)
    else:
        yield Phase(join, Sql("1"), [f"o.value {way}", *rest], True)
    yield Phase(joins, Sql(missing, (first.key,)), rest, False)


def secondary(orders: Sequence[Order]) -> tuple[list[str], Sql]:
    """The terms of what is ordered by after the first, and the joins that bind their values."""
    terms: list[str] = []
    joins: list[Sql] = []
    for index, (entity, key, ascending) in enumerate(orders):
        way = "ASC" if ascending else "DESC"
        if entity == "attribute":
            terms += [f"{COLUMNS[key]} IS NULL"] if key in NULLABLE else []
            terms.append(f"{COLUMNS[key]} {way}")
            continue
        alias = f"s{index}"
        joins.append(Sql(f"LEFT JOIN {TABLES[entity]} {alias} ON {alias}.run = r.number AND {alias}.key = ?", (key,)))
        terms += [f"{alias}.run IS NULL", f"{alias}.value IS NULL", f"{alias}.value {way}"]
    return terms, Sql(" ".join(one.text for one in joins), tuple(value for one in joins for value in one.values))


def selection(db: Database, query: RunSearch, phase: Phase, cells: list[Cell], limit: int) -> Sql:
    """One query for the whole phase."""
    if len(cells) > CELLS_MAX:
        return everywhere(query, phase, limit)
    if len(cells) == 1:
        return in_cell(db, query, phase, cells[0], limit)
    parts = [in_cell(db, query, phase, cell, limit) for cell in cells]
    union = " UNION ALL ".join(f"SELECT * FROM ({part.text})" for part in parts)
    order = ", ".join(f"t{index} {direction(term)}" for index, term in enumerate(phase.terms))
    values = tuple(value for part in parts for value in part.values)
    return Sql(f"SELECT number FROM ({union}) ORDER BY {order} LIMIT ?", (*values, limit))


def direction(term: str) -> str:
    return "DESC" if term.endswith(" DESC") else "ASC"


def select(phase: Phase, source: str, where: Sql, values: tuple[object, ...], limit: int) -> Sql:
    """``values`` are those of the joins in ``source``, which stand before the condition."""
    columns = [f"{term.removesuffix(' ASC').removesuffix(' DESC')} AS t{at}" for at, term in enumerate(phase.terms)]
    text = f"SELECT r.number AS number, {', '.join(columns)} FROM {source} WHERE {where.text}"
    return Sql(f"{text} ORDER BY {', '.join(phase.terms)} LIMIT ?", (*values, *where.values, limit))


def in_cell(db: Database, query: RunSearch, phase: Phase, cell: Cell, limit: int) -> Sql:
    found = best_driver(db, query.clauses, cell.experiment)
    here = Sql("r.experiment = ? AND r.lifecycle = ?", cell)
    if found is None and phase.walks and query.orders and query.orders[0].entity != "attribute":
        return walk(query, phase, cell, limit)
    if found is None:
        where = all_of([here, *map(condition, query.clauses), phase.where])
        return select(phase, f"runs r {phase.join.text}", where, phase.join.values, limit)
    rest = [condition(clause) for clause in query.clauses if clause != found.clause]
    source = f"{found.table} d CROSS JOIN runs r ON r.number = d.run {phase.join.text}"
    return select(phase, source, all_of([found.where, here, *rest, phase.where]), phase.join.values, limit)


def walk(query: RunSearch, phase: Phase, cell: Cell, limit: int) -> Sql:
    """Along the index of the values that are ordered by; a comparison of the same metric says where to begin."""
    first, *others = query.orders
    _, joins = secondary(others)
    same = same_metric(query, first)
    ranges = [Sql(f"o.value {SYMBOLS[one.comparator]} ?", (one.value,)) for one in same]
    rest = [condition(one) for one in query.clauses if one not in same]
    here = Sql("o.experiment = ? AND o.key = ? AND r.lifecycle = ?", (cell.experiment, first.key, cell.lifecycle))
    if first.entity == "metric":
        phase = phase._replace(terms=[term.replace("r.start_time", "o.start_time") for term in phase.terms])
    source = f"{TABLES[first.entity]} o CROSS JOIN runs r ON r.number = o.run {joins.text}"
    return select(phase, source, all_of([here, phase.where, *ranges, *rest]), joins.values, limit)


def same_metric(query: RunSearch, order: Order) -> list[Clause]:
    """The comparisons with a number of the metric that is ordered by: no NaN meets them, and no run without it."""
    if order.entity != "metric":
        return []
    return [one for one in query.clauses if one[:2] == order[:2] and one.comparator in INDEXED]


def everywhere(query: RunSearch, phase: Phase, limit: int) -> Sql:
    places = f"r.experiment IN ({', '.join(map(str, query.experiments))})"
    stages = f"r.lifecycle IN ({', '.join(map(str, query.lifecycles))})"
    where = all_of([Sql(places), Sql(stages), *map(condition, query.clauses), phase.where])
    return select(phase, f"runs r {phase.join.text}", where, phase.join.values, limit)
