"""The tracking view: computed again or live, whatever the batches of its two streams, the rows are the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.views.test_monitor_views import dump

from treering.adapters.memory_log import MemoryLog
from treering.adapters.second_stream import SecondStream
from treering.adapters.sqlite_view import SqliteView
from treering.domain import KINDS
from treering.domain.experiment_messages import (
    ArchiveExperiment,
    CreateExperiment,
    DeleteExperimentTag,
    RenameExperiment,
    RestoreExperiment,
    SetExperimentTags,
)
from treering.domain.job_messages import AssignJob, CompleteJob, FailJob, LoseJob, StartJob, SubmitJob, UpdateJob
from treering.domain.job_spec import EnvironmentSpec, InputSpec, JobSpec
from treering.domain.run_messages import (
    CreateRun,
    Dataset,
    DeleteRun,
    DeleteRunTag,
    LogRunInputs,
    LogRunOutputs,
    LogToRun,
    ModelOutput,
    RestoreRun,
    UpdateRun,
)
from treering.kernel.aggregate import Command
from treering.kernel.command import Context
from treering.kernel.log import Entry, encoder
from treering.kernel.points import Points, RunPoints, Series, decoder
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.kernel.writer import Writer
from treering.views.tracking import TrackingView, points_entries, points_units
from treering.views.tracking.metrics import CHUNK_POINTS_MAX, history, points_of
from treering.views.tracking.run_reads import run

pytestmark = pytest.mark.anyio
START = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = JobSpec("true", EnvironmentSpec(), experiment="e1", inputs={"rate": InputSpec("number", value=0.1)})
Rows = list[list[tuple[Any, ...]]]


def a_command(chance: random.Random) -> tuple[Address, Command]:
    """Any command on one of a few experiments, runs and jobs; many will be refused."""
    number, word = chance.randint(1, 3), chance.choice("abc")
    of_kind: dict[str, list[Command]] = {
        "experiment": [
            CreateExperiment(tags={word: "1"}), RenameExperiment(word), SetExperimentTags({word: "2"}),
            DeleteExperimentTag(word), ArchiveExperiment(), RestoreExperiment(),
        ],
        "run": [
            CreateRun(f"e{number}", word, start_time=number), LogToRun({word: str(number)}, {word: str(number)}),
            DeleteRunTag(word), UpdateRun("FINISHED", number, word), DeleteRun(), RestoreRun(),
            LogRunInputs([Dataset("d", word, "s", "s", tags={"mlflow.data.context": word})], [word]),
            LogRunOutputs([ModelOutput(word, number)]),
        ],
        "job": [
            SubmitJob(SPEC), AssignJob(1, "n", "i"), StartJob(1, "n"), CompleteJob(1, "n"),
            FailJob(1, "n", "exit_code", "it failed", 1), LoseJob(1, "silent"), UpdateJob(word, tags={word: "3"}),
        ],
    }  # fmt: skip
    kind = chance.choice(sorted(of_kind))
    name = {"experiment": "e", "run": "r", "job": "r"}[kind]
    return Address("main", kind, f"{name}{number}"), chance.choice(of_kind[kind])


async def a_log(seed: int) -> Sequence[Entry]:
    chance, log = random.Random(seed), MemoryLog()
    writers: dict[str, Writer[Any]] = {name: Writer(log, kind) for name, kind in KINDS.items()}
    for number in (1, 2, 3):
        address = Address("main", "experiment", f"e{number}")
        await writers["experiment"].execute(address, CreateExperiment(), Context(f"d{number}", START, "anna"))
    for number in range(400):
        address, command = a_command(chance)
        try:
            context = Context(f"c{number}", START + timedelta(seconds=number), "anna")
            await writers[address.kind].execute(address, command, context)
        except Refused:
            continue
    return log.entries


def some_points(seed: int, messages: int = 60) -> list[Entry]:
    chance = random.Random(seed)

    def series() -> Series:
        count = chance.choice([1, 1, 2, 90])
        values = [chance.choice([None, 0.5, chance.random()]) for _ in range(count)]
        steps = [chance.randint(-2, 5) for _ in range(count)]
        return Series(chance.choice("xy"), values, [chance.randint(0, 3) for _ in range(count)], steps)

    def message(position: int) -> Entry:
        runs = [RunPoints(f"r{n}", n, 1, n, "anna", [series(), series()]) for n in (1, 2) if chance.random() < 0.8]
        return Entry(position, "met.main.points", encoder.encode(Points(str(position), START, runs)))

    return [message(position) for position in range(1, messages + 1)]


class Both:
    """The view with its two streams."""

    def __init__(self, path: Path | str) -> None:
        view = TrackingView()
        self.store = SqliteView(view, path)
        self.second = SecondStream(self.store, "MET", points_entries, points_units, view.project_points)

    async def open(self) -> Both:
        await self.store.open()
        await self.second.open()
        return self

    async def rows(self) -> Rows:
        return await self.store.read(dump)


async def rebuilt(commits: Sequence[Entry], points: Sequence[Entry]) -> Rows:
    """All the points first, then all the commits: the other way round than live."""
    both = await Both(":memory:").open()
    try:
        if points:
            await both.second.apply(points)
        if commits:
            await both.store.apply(commits)
        return await both.rows()
    finally:
        await both.store.close()


@pytest.mark.parametrize("seed", range(6))
async def test_the_view_computed_again_is_the_live_one_at_every_batch(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    commits, points = await a_log(seed), some_points(seed)
    assert len(commits) > 60
    live = await Both(tmp_path / "live.db").open()
    done, logged = 0, 0
    while done < len(commits) or logged < len(points):
        # Given a view that follows both streams in batches, and is closed and opened now and then,
        if done < len(commits) and chance.random() < 0.6:
            batch = commits[done : done + chance.randint(1, 40)]
            await live.store.apply(batch)
            done += len(batch)
        elif logged < len(points):
            batch = points[logged : logged + chance.randint(1, 40)]
            await live.second.apply(batch)
            logged += len(batch)
        if chance.random() < 0.2:
            await live.store.close()
            live = await Both(tmp_path / "live.db").open()
        # then at each of its positions it has what a rebuild up to there has.
        assert await live.rows() == await rebuilt(commits[:done], points[:logged])
    assert (await live.second.checkpoint()).position == len(points)
    await live.store.close()


async def test_a_history_has_every_point_once_in_order_and_the_latest_is_the_greatest() -> None:
    both = await Both(":memory:").open()
    points = some_points(7, 100)
    await both.second.apply(points)
    said = [
        (timestamp, step, value or 0.0, value is None)
        for entry in points
        for run_points in decoder.decode(entry.body).runs
        for one in run_points.series
        if run_points.number == 1 and one.key == "x"
        for value, timestamp, step in zip(one.values, one.timestamps, one.steps, strict=True)
    ]
    assert len(said) > 3 * CHUNK_POINTS_MAX
    found = await both.store.read(lambda db: history(db, 1, "x"))
    assert [tuple(point) for point in points_of(found)] == sorted(set(said))
    sql = "SELECT step, timestamp, value FROM latest_metrics WHERE run = 1 AND key = 'x'"
    latest = await both.store.read(lambda db: db.execute(sql).fetchone())
    greatest = max((step, timestamp, value) for timestamp, step, value, _ in said)
    assert (latest[0], latest[1], latest[2] or 0.0) == greatest
    await both.store.close()


async def test_the_run_of_a_job_is_there_from_the_submission_on_and_follows_the_job() -> None:
    both, log = await Both(":memory:").open(), MemoryLog()
    address = Address("main", "job", "digits")
    writers: dict[str, Writer[Any]] = {name: Writer(log, kind) for name, kind in KINDS.items()}
    experiment = Address("main", "experiment", "e1")
    await writers["experiment"].execute(experiment, CreateExperiment(), Context("c0", START, "anna"))
    seen = []
    shown = None
    commands = (
        SubmitJob(SPEC), AssignJob(1, "n", "i"), StartJob(1, "n"), LoseJob(1, "silent"), AssignJob(2, "n", "i"),
        StartJob(2, "n"), CompleteJob(2, "n"),
    )  # fmt: skip
    for number, command in enumerate(commands, start=1):
        at = START + timedelta(seconds=number)
        await writers["job"].execute(address, command, Context(f"c{number}", at, "anna"))
        done = (await both.store.checkpoint()).position
        await both.store.apply(log.entries[done:])
        shown = await both.store.read(lambda db: run(db, "main", "digits"))
        assert shown is not None
        seen.append(shown.info.status)
    assert shown is not None
    assert seen == ["SCHEDULED", "SCHEDULED", "RUNNING", "SCHEDULED", "SCHEDULED", "RUNNING", "FINISHED"]
    assert [(param.key, param.value) for param in shown.data.params] == [("rate", "0.1")]
    assert shown.info.start_time == 1_767_225_601_000 and shown.info.end_time == 1_767_225_607_000
    await both.store.close()
