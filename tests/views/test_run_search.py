"""The run search finds what a plain reading of the filter finds, in its order, whichever plan it takes."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.views.test_tracking import Both

from treering.domain.experiment_messages import ExperimentCreated
from treering.domain.run_messages import Dataset, RunCreated, RunDeleted, RunInputsLogged, RunTagsSet, RunUpdated
from treering.domain.run_messages import RunParamsLogged as Params
from treering.kernel.log import Commit, Entry, encoder
from treering.kernel.points import Points, RunPoints, Series
from treering.views.tracking import run_conditions, run_search
from treering.views.tracking.run_filters import RUNS, Clause, Order, parse_filter, parse_orders
from treering.views.tracking.run_reads import RunRow, runs_of
from treering.views.tracking.run_search import RunSearch, search

pytestmark = pytest.mark.anyio
AT = datetime(2026, 1, 1, tzinfo=UTC)
RUNS_MADE = 120
WORDS = ["a", "b", "A", "ab", "a%", "x" * 70 + "1", "x" * 70 + "2", ""]
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: one == other, "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other, "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other, ">=": lambda one, other: one >= other,
    "IN": lambda one, others: one in others, "NOT IN": lambda one, others: one not in others,
    "LIKE": lambda one, pattern: like(one, pattern, 0), "ILIKE": lambda one, pattern: like(one, pattern, re.IGNORECASE),
}  # fmt: skip


def like(text: str, pattern: str, flags: int) -> bool:
    parts = {"%": ".*", "_": "."}
    return re.fullmatch("".join(parts.get(one, re.escape(one)) for one in pattern), text, flags | re.DOTALL) is not None


def a_commit(position: int, subject: str, *events: Any) -> Entry:
    raw = msgspec.Raw(encoder.encode(list(events)))
    return Entry(position, subject, encoder.encode(Commit(str(position), str(position), 1, AT, "anna", events=raw)))


async def a_view(chance: random.Random) -> Both:
    """Runs of two experiments with few different values, so that many are equal, missing or not a number."""
    both = await Both(":memory:").open()
    commits = [a_commit(n, f"evt.main.experiment.e{n}", ExperimentCreated()) for n in (1, 2)]
    points = []
    for number in range(3, RUNS_MADE + 3):
        experiment, start = chance.choice([1, 2]), chance.randint(0, 5)
        words = {key: chance.choice(WORDS) for key in "pq" if chance.random() < 0.7}
        events: list[Any] = [RunCreated(f"e{experiment}", chance.choice("mn"), "anna", start), Params(words)]
        events.append(RunTagsSet({key: chance.choice(WORDS) for key in "tu" if chance.random() < 0.7}))
        if chance.random() < 0.5:
            context = {"mlflow.data.context": chance.choice("vw")}
            events.append(RunInputsLogged([Dataset(chance.choice("de"), "1", "s", "s", tags=context)]))
        if chance.random() < 0.5:
            events.append(RunUpdated("FINISHED", chance.randint(6, 9)))
        if chance.random() < 0.2:
            events.append(RunDeleted())
        run_id = f"{chance.randrange(10**6):06}{number}"
        commits.append(a_commit(number, f"evt.main.run.{run_id}", *events))
        values = {key: chance.choice([None, 0.5, 1.0, -2.0, chance.random()]) for key in "ml" if chance.random() < 0.8}
        series = [Series(key, [value], [1], [1]) for key, value in values.items()]
        points.append(RunPoints(run_id, number, experiment, start, "anna", series))
    await both.store.apply(commits)
    await both.second.apply([Entry(1, "met.main.points", encoder.encode(Points("1", AT, points)))])
    return both


def value_of(run: RunRow, entity: str, key: str) -> Any:
    """What the run has under a name; None for nothing."""
    match entity:
        case "attribute":
            return getattr(run.info, key)
        case "metric":
            found = [one.value for one in run.data.metrics if one.key == key]
            return math.nan if found == ["NaN"] else found[0] if found else None
        case "parameter" | "tag":
            items = run.data.params if entity == "parameter" else run.data.tags
            return next((one.value for one in items if one.key == key), None)
        case _:
            raise AssertionError(entity)


def meets(run: RunRow, clause: Clause) -> bool:
    if clause.entity == "dataset":
        uses = [(one.dataset.name, one.dataset.digest, one.tags[0].value) for one in run.inputs.dataset_inputs]
        at = ("name", "digest", "context").index(clause.key)
        return any(COMPARE[clause.comparator](use[at], clause.value) for use in uses)
    value = value_of(run, clause.entity, clause.key)
    if clause.comparator in ("IS NULL", "IS NOT NULL"):
        return (value is None) == (clause.comparator == "IS NULL")
    return value is not None and COMPARE[clause.comparator](value, clause.value)


def in_order(runs: list[RunRow], orders: list[Order]) -> list[RunRow]:
    runs = sorted(runs, key=lambda run: run.info.run_id)
    if not any(order.key == "start_time" for order in orders):
        runs.sort(key=lambda run: -run.info.start_time)
    for order in reversed(orders):
        runs = by(runs, order)
    return runs


def by(runs: list[RunRow], order: Order) -> list[RunRow]:
    """Values in order, then NaN, then nothing; those that are equal stay as they are."""
    values = [(value_of(run, order.entity, order.key), run) for run in runs]
    real = [pair for pair in values if pair[0] is not None and pair[0] == pair[0]]
    real.sort(key=lambda pair: pair[0], reverse=not order.ascending)
    nan = [pair for pair in values if pair[0] is not None and pair[0] != pair[0]]
    return [run for _, run in (*real, *nan, *(pair for pair in values if pair[0] is None))]


def a_filter(chance: random.Random) -> str:
    number, word = chance.choice(["0", "0.5", "1", "-2.5"]), "'" + chance.choice(WORDS) + "'"
    pattern = "'" + chance.choice(["a%", "%", "_", "A_", "%1", "x%2", "[a]"]) + "'"
    clauses = [
        f"metrics.{chance.choice('ml')} {chance.choice(['>', '<', '>=', '<=', '=', '!='])} {number}",
        f"params.{chance.choice('pq')} {chance.choice(['=', '!='])} {word}",
        f"tags.{chance.choice('tu')} {chance.choice(['=', '!='])} {word}",
        f"{chance.choice(['params.p', 'tags.t'])} {chance.choice(['LIKE', 'ILIKE'])} {pattern}",
        f"{chance.choice(['params.q', 'tags.u'])} IS {chance.choice(['', 'NOT '])}NULL",
        f"start_time {chance.choice(['>', '<=', '!='])} {chance.randint(0, 5)}",
        f"end_time {chance.choice(['>', '<=', '!='])} {chance.randint(5, 9)}",
        f"run_name {chance.choice(['=', '!='])} 'm'",
        "status = 'FINISHED'",
        "attributes.artifact_uri LIKE 'mlflow-artifacts:/1/%'",
        f"datasets.{chance.choice(['name', 'digest', 'context'])} {chance.choice(['IN', 'NOT IN'])} ('d', 'v')",
        "dataset.name = 'd'",
    ]
    return " AND ".join(chance.sample(clauses, chance.randint(0, 3)))


def some_orders(chance: random.Random) -> list[str]:
    names = ["metrics.m", "metrics.l", "params.p", "tags.t", "start_time", "end_time", "run_name", "attributes.run_id"]
    return [f"{name} {chance.choice(['ASC', 'DESC'])}" for name in chance.sample(names, chance.randint(0, 3))]


@pytest.mark.parametrize("few", [0, 2000])
@pytest.mark.parametrize("cells_max", [1, 50])
@pytest.mark.parametrize("seed", range(4))
async def test_every_plan_finds_the_same_runs_in_the_same_order(
    seed: int, few: int, cells_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_conditions, "FEW", few)
    monkeypatch.setattr(run_search, "CELLS_MAX", cells_max)
    chance = random.Random(seed)
    both = await a_view(chance)
    everything = await both.store.read(lambda db: runs_of(db, range(3, RUNS_MADE + 3))[0])
    found_some = 0
    for _ in range(150):
        text, orders = a_filter(chance), some_orders(chance)
        experiments, stages = chance.choice([[1], [2], [1, 2]]), chance.choice([[0], [1], [0, 1]])
        offset, limit = chance.choice([0, 0, 3, 40]), chance.choice([1, 5, 500])
        clauses, ordered = parse_filter(text, RUNS), parse_orders(orders, RUNS)
        query = RunSearch("main", experiments, stages, clauses, ordered, offset, limit)
        found = await both.store.read(lambda db, q=query: runs_of(db, search(db, q))[0])  # type: ignore[misc]
        wanted = [
            run
            for run in everything
            if int(run.info.experiment_id) in experiments
            and ["active", "deleted"].index(run.info.lifecycle_stage) in stages
            and all(meets(run, clause) for clause in clauses)
        ]
        expected = in_order(wanted, ordered)[offset : offset + limit]
        assert [run.info.run_id for run in found] == [run.info.run_id for run in expected], (text, orders, experiments)
        found_some += bool(found)
    assert found_some > 40
    await both.store.close()
