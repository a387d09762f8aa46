"""Laws of the views: computed again or live, in whatever batches, the rows are the same, byte for byte."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from treering.adapters.log_copy import BadPosition, LogCopy
from treering.adapters.memory_log import MemoryLog
from treering.adapters.sqlite_view import Database, SqliteView, View
from treering.domain import KINDS
from treering.domain.event import PublishEvent
from treering.domain.experiment_messages import ArchiveExperiment, CreateExperiment, RestoreExperiment, UpdateExperiment
from treering.domain.job_messages import AssignJob, CancelJob, CompleteJob, FailJob, LoseJob, StartJob, SubmitJob
from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.aggregate import Command
from treering.kernel.command import Context
from treering.kernel.disk import CannotWrite
from treering.kernel.log import Entry
from treering.kernel.projector import Checkpoint
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.kernel.writer import Writer
from treering.views.audit import AuditView
from treering.views.lifecycle import LifecycleView
from treering.views.states import StatesView

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 1, tzinfo=UTC)
VIEWS: list[Callable[[], View]] = [AuditView, LifecycleView, StatesView]


def a_command(chance: random.Random) -> tuple[Address, Command]:
    """Any command on one of a few resources; many will be refused."""
    attempt, node, number = chance.randint(1, 2), f"node-{chance.randint(1, 2)}", chance.randint(1, 5)
    of_kind: dict[str, list[Command]] = {
        "experiment": [
            CreateExperiment(),
            UpdateExperiment(str(chance.random())),
            ArchiveExperiment(),
            RestoreExperiment(),
        ],
        "job": [
            SubmitJob(JobSpec("true", EnvironmentSpec())),
            AssignJob(attempt, node, "i"),
            StartJob(attempt, node),
            CompleteJob(attempt, node),
            FailJob(attempt, node, "exit_code", "it failed", 1),
            LoseJob(attempt, "silent"),
            CancelJob(),
        ],
        "event": [PublishEvent("s", str(number), "t.done", f"job/r{number}", data=[attempt])],
    }
    kind = chance.choice(sorted(of_kind))
    return Address("w", kind, f"r{number}"), chance.choice(of_kind[kind])


async def a_log(seed: int, commands: int = 500) -> Sequence[Entry]:
    """What random commands left in a log."""
    chance = random.Random(seed)
    log = MemoryLog()
    writers: dict[str, Writer[Any]] = {name: Writer(log, kind) for name, kind in KINDS.items()}
    for number in range(commands):
        address, command = a_command(chance)
        at = START + timedelta(seconds=number, microseconds=chance.choice([0, number]))
        cause = chance.choice(["", f"c{chance.randint(0, number)}"])
        try:
            await writers[address.kind].execute(address, command, Context(f"c{number}", at, "anna", cause))
        except Refused:
            continue
    return log.entries


def dump(db: Database) -> list[list[tuple[Any, ...]]]:
    """Every row of every table."""
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [sorted((tuple(row) for row in db.execute(f"SELECT * FROM {table}")), key=repr) for table in tables]


async def rebuilt(make: Callable[[], View], entries: Sequence[Entry]) -> list[list[tuple[Any, ...]]]:
    store = SqliteView(make(), ":memory:")
    await store.open()
    try:
        await store.apply(entries)
        return await store.read(dump)
    finally:
        await store.close()


@pytest.mark.parametrize("make", VIEWS)
@pytest.mark.parametrize("seed", range(8))
async def test_a_view_computed_again_is_the_live_one_at_every_batch(
    make: Callable[[], View], seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    entries = await a_log(seed)
    assert len(entries) > 30
    live = SqliteView(make(), tmp_path / "live.db")
    await live.open()
    position = 0
    while position < len(entries):
        # Given a view that follows live in batches, and is closed and opened now and then,
        batch = entries[position : position + chance.randint(1, 19)]
        await live.apply(batch)
        position = batch[-1].position
        if chance.random() < 0.2:
            await live.close()
            live = SqliteView(make(), tmp_path / "live.db")
            await live.open()
        # then at each of its positions it has what a rebuild up to there has.
        assert await live.read(dump) == await rebuilt(make, entries[:position])
    await live.close()


@pytest.mark.parametrize("make", VIEWS)
async def test_a_batch_that_finds_no_room_leaves_no_trace(make: Callable[[], View], tmp_path: Path) -> None:
    # Given a view whose file may not grow,
    entries = await a_log(1)
    store = SqliteView(make(), tmp_path / "view.db")
    await store.open()
    await store.apply(entries[:20])
    before = await store.read(dump)
    pages = await store.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await store.read(lambda db: db.execute(f"PRAGMA max_page_count = {pages}"))
    # when more entries come than it has room for, then rows and checkpoint are as before, and nothing is set aside,
    with pytest.raises(CannotWrite, match="full"):
        await store.apply(entries[20:])
    assert await store.read(dump) == before
    await store.read(lambda db: db.execute("PRAGMA max_page_count = 1000000"))
    # and the right batch leads to the right rows.
    await store.apply(entries[20:])
    assert await store.read(dump) == await rebuilt(make, entries)
    await store.close()


@pytest.fixture
async def copy(anyio_backend: str, tmp_path: Path) -> Any:
    opened = LogCopy(tmp_path / "copy" / "log.db")
    await opened.open()
    yield opened
    await opened.close()


async def test_the_copy_is_the_same_in_whatever_batches_it_came(copy: LogCopy, tmp_path: Path) -> None:
    entries = await a_log(2)
    other = LogCopy(tmp_path / "other.db")
    await other.open()
    await other.apply(entries)
    for entry in entries:
        await copy.apply([entry])
    assert await copy.read(dump) == await other.read(dump)
    assert await copy.checkpoint() == Checkpoint(len(entries), entries[-1].hash())
    await other.close()


@pytest.mark.parametrize("how", ["gap", "repeat", "subject", "order"])
async def test_the_copy_stores_nothing_that_does_not_continue(copy: LogCopy, how: str) -> None:
    # Given a copy of twenty commits, and next ones of which the third is wrong,
    entries = list(await a_log(3))
    await copy.apply(entries[:20])
    before = await copy.read(dump)
    batch = entries[20:30]
    wrong = {
        "gap": Entry(24, *batch[3][1:]),
        "repeat": Entry(23, *batch[1][1:]),
        "subject": Entry(23, "evt.w.experiment.other", batch[3].body.replace(b'"version":1,', b'"version":9,')),
        "order": Entry(22, *batch[2][1:]),
    }[how]
    # when they come, then the first bad position is named, and the copy is as before.
    with pytest.raises(BadPosition) as found:
        await copy.apply([*batch[:2], wrong, *batch[3:]])
    assert found.value.position == 23
    assert await copy.read(dump) == before


async def test_a_copy_whose_head_was_changed_does_not_open(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    opened = LogCopy(path)
    await opened.open()
    await opened.apply(await a_log(4))
    await opened.close()
    with sqlite3.connect(path) as db:
        db.execute(
            "UPDATE commits SET hashes = zeroblob(length(hashes)) WHERE position = (SELECT max(position) FROM commits)"
        )
    db.close()
    with pytest.raises(BadPosition, match=r"position \d+ of the second copy"):
        await LogCopy(path).open()
