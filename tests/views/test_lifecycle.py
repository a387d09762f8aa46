"""Durations, usage and stuck resources, on a history whose times are known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from treering.adapters.memory_log import MemoryLog
from treering.adapters.sqlite_view import SqliteView
from treering.config import Thresholds
from treering.domain import KINDS
from treering.domain.job_messages import AssignJob, CompleteJob, FailJob, LoseJob, OutputData, StartJob, SubmitJob
from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.aggregate import Command
from treering.kernel.clock import now
from treering.kernel.command import Context
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.kernel.writer import Writer
from treering.views.lifecycle import LifecycleView, make_indices
from treering.views.lifecycle_answers import by_parent
from treering.views.stuck import stuck
from treering.views.time_queries import ByParentQuery, StuckQuery, StuckRow, UsageQuery
from treering.views.usage_answers import usage

pytestmark = pytest.mark.anyio

LIMITS = Thresholds(waiting_seconds=600, silent_seconds=3600, failures=3)


class History:
    """Jobs written command by command at given times, in the lifecycle view."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.writer: Writer[Any] = Writer(self.log, KINDS["job"])
        self.view = SqliteView(LifecycleView(), ":memory:")
        self.number = 0

    async def say(self, job: str, at: datetime, command: Command, actor: str = "anna") -> None:
        self.number += 1
        context = Context(f"c{self.number}", at, actor)
        await self.writer.execute(Address("w", "job", job), command, context)
        await self.view.apply(self.log.entries[-1:])

    async def submitted(
        self, job: str, at: datetime, *, experiment: str = "e", nodes: int = 1, by: str = "anna"
    ) -> None:
        spec = JobSpec("true", EnvironmentSpec(), experiment=experiment, instance_count=nodes)
        await self.say(job, at, SubmitJob(spec), by)

    async def ran(self, job: str, at: datetime, queued: float, preparing: float, running: float, **said: Any) -> None:
        """A job that was in each status for so many seconds, and completed with 1000 bytes."""
        await self.submitted(job, at, **said)
        at += timedelta(seconds=queued)
        await self.say(job, at, AssignJob(1, "n", "i"), "service:scheduler")
        at += timedelta(seconds=preparing)
        await self.say(job, at, StartJob(1, "n"), "node:n")
        at += timedelta(seconds=running)
        outputs = {"model": OutputData("sha256:0", 1, 700), "default": OutputData("sha256:1", 1, 300)}
        await self.say(job, at, CompleteJob(1, "n", outputs), "node:n")

    async def failed(self, job: str, at: datetime, experiment: str) -> None:
        await self.submitted(job, at, experiment=experiment)
        await self.say(job, at, AssignJob(1, "n", "i"))
        await self.say(job, at, FailJob(1, "n", "exit_code", "it failed", 1))


@pytest.fixture
async def history(anyio_backend: str) -> AsyncIterator[History]:
    opened = History()
    await opened.view.open()
    await opened.view.read(make_indices)
    yield opened
    await opened.view.close()


START = datetime.fromisoformat("2026-01-01T23:59:00Z")


async def test_durations_by_parent_are_those_of_the_history(history: History) -> None:
    for number, queued in enumerate([1.0, 2.0, 3.0, 4.0]):
        await history.ran(f"a{number}", START, queued, 1.0, 10.0 * queued, experiment="a")
    await history.ran("b", START, 7.0, 1.0, 5.0, experiment="b")
    await history.submitted("b2", START, experiment="b")
    answer = await history.view.read(lambda db: by_parent(db, ByParentQuery("w", "job")))
    found = {(row.parent, row.status): row for row in answer.rows}
    queued_a = found["a", "Queued"]
    assert (queued_a.count, queued_a.p50_seconds, queued_a.p95_seconds, queued_a.longest_seconds) == (4, 2.0, 4.0, 4.0)
    assert found["a", "Running"].p50_seconds == 20.0 and found["a", "Completed"].open == 4
    assert (found["b", "Queued"].count, found["b", "Queued"].open) == (1, 1)
    first = found["a", "First event"]
    assert (first.count, first.p50_seconds, first.p99_seconds) == (4, 2.0, 4.0)
    only_b = await history.view.read(lambda db: by_parent(db, ByParentQuery("w", "job", "b")))
    assert {row.parent for row in only_b.rows} == {"b"}


async def test_usage_counts_held_time_per_node_on_the_day_it_ended(history: History) -> None:
    # Given a job on two nodes that began before midnight and ended after, and one that still runs,
    await history.ran("j", START, 10.0, 20.0, 100.0, experiment="e", nodes=2)
    await history.submitted("k", START, experiment="f", by="ben")
    await history.say("k", START, AssignJob(1, "n", "i"))
    read = history.view.read
    # when usage is asked for by day, experiment and actor,
    days = {row.value: row for row in (await read(lambda db: usage(db, UsageQuery(by="day")))).rows}
    experiments = {row.value: row for row in (await read(lambda db: usage(db, UsageQuery()))).rows}
    actors = {row.value: row for row in (await read(lambda db: usage(db, UsageQuery(by="actor")))).rows}
    # then each has its part: 20 s of preparing on the first day, 100 s of running on the second, on both nodes.
    assert days["2026-01-01"].node_seconds == 40.0 and days["2026-01-02"].node_seconds == 200.0
    assert days["2026-01-02"].output_bytes == 1000 and days["2026-01-01"].jobs == 2
    assert experiments["e"].node_seconds == 240.0 and experiments["e"].running == 0
    assert experiments["f"].running == 1 and experiments["f"].running_node_seconds > 0
    assert actors["anna"].node_seconds == 240.0 and actors["ben"].jobs == 1
    later = await read(lambda db: usage(db, UsageQuery(since="2026-01-02", until="2026-01-02")))
    assert [(row.value, row.node_seconds) for row in later.rows] == [("e", 200.0)]
    for wrong in ("yesterday", "7", "2026-02-30", "2026-01-01T25:00Z", "2026-W01-1x"):
        with pytest.raises(Refused, match=r"query\.bad_day"):
            await read(partial(usage, query=UsageQuery(since=wrong)))


async def test_usage_is_counted_by_the_hour_of_utc_too(history: History) -> None:
    # Given a job that prepared until 23:59:50 and ran until after midnight,
    await history.ran("j", START, 10.0, 20.0, 100.0, experiment="e")
    read = history.view.read
    # when usage is asked for by hour, and from or up to an hour that is said in another zone,
    hours = (await read(lambda db: usage(db, UsageQuery(by="hour")))).rows
    later = (await read(lambda db: usage(db, UsageQuery(since="2026-01-02T02:30:00+02:00")))).rows
    before = (await read(lambda db: usage(db, UsageQuery(until="2026-01-01T23:00Z")))).rows
    # then each hour has its part, in the form of ``audit count --by hour``.
    assert {row.value: row.node_seconds for row in hours} == {"2026-01-01T23:00Z": 20.0, "2026-01-02T00:00Z": 100.0}
    assert [row.node_seconds for row in later] == [100.0] and [row.node_seconds for row in before] == [20.0]


async def problems(history: History, query: StuckQuery | None = None) -> dict[str, StuckRow]:
    answer = await history.view.read(lambda db: stuck(db, query or StuckQuery(), LIMITS))
    return {f"{row.kind}/{row.name}": row for row in answer.rows}


def ago(seconds: float) -> datetime:
    return now() - timedelta(seconds=seconds)


async def test_what_waits_is_silent_or_fails_again_and_again_is_stuck_and_nothing_else(history: History) -> None:
    # Given a job queued for long and one not so long, one that is silent and one that is not,
    await history.submitted("waits", ago(700))
    await history.submitted("fresh", ago(500))
    for name, seconds in (("silent", 4000), ("busy", 3000)):
        await history.submitted(name, ago(seconds))
        await history.say(name, ago(seconds), AssignJob(1, "n", "i"))
        await history.say(name, ago(seconds), StartJob(1, "n"))
    # a job that lost its node three times, an experiment that failed three times, one that did and is well,
    await history.submitted("lost", ago(100))
    for attempt in (1, 2):
        await history.say("lost", ago(90), AssignJob(attempt, "n", "i"))
        await history.say("lost", ago(80), LoseJob(attempt, "gone"))
    await history.say("lost", ago(70), AssignJob(3, "n", "i"))
    for number in range(3):
        await history.failed(f"x{number}", ago(60), "bad")
        await history.failed(f"y{number}", ago(60), "well-again")
    await history.ran("y3", ago(50), 1.0, 1.0, 1.0, experiment="well-again")
    # and one that failed long ago,
    for number in range(3):
        await history.failed(f"z{number}", ago(30 * 86_400), "history")
    # when it is asked what is stuck, then it is those, each with its reason.
    found = await problems(history)
    assert {name: row.problem for name, row in found.items()} == {
        "job/waits": "waiting",
        "job/silent": "silent",
        "experiment/bad": "failing",
    }
    assert 700 <= found["job/waits"].seconds < 800 and found["job/silent"].status == "Running"
    # And other thresholds find other things.
    sharper = await problems(history, StuckQuery(waiting_seconds=400, failures=2))
    assert {"job/fresh", "job/lost"} <= set(sharper)
    assert not await problems(history, StuckQuery(workspace="other"))
