"""Readers of one file for many callers: nobody's questions keep another's from a thread, and what nobody waits for, or
is too late for, is not run."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from treering.adapters.sqlite_reader import SqliteReaders
from treering.adapters.sqlite_view import Database
from treering.kernel.asking import Asker, AskerGone, asking
from treering.kernel.refusal import Refused
from treering.kernel.turns import WAITING_EACH_MAX

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 30
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
THREADS = 4


class Gate:
    """A question that has begun, and ends when it may."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.open = threading.Event()
        self.begun = asyncio.Event()

    def wait(self, db: Database) -> str:
        self.begin()
        assert self.open.wait(PATIENCE_SECONDS)
        return "let through"

    def begin(self) -> None:
        self.loop.call_soon_threadsafe(self.begun.set)


@pytest.fixture
async def path(tmp_path: Path, anyio_backend: str) -> Path:
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE numbers (number INTEGER)")
        db.execute("INSERT INTO numbers VALUES (7)")
        db.commit()
    return file


@pytest.fixture
async def readers(path: Path) -> AsyncIterator[SqliteReaders]:
    opened = SqliteReaders(path, threads=THREADS)
    async with asyncio.timeout(PATIENCE_SECONDS):
        yield opened
    await opened.close()


def number(db: Database) -> int:
    return int(db.execute("SELECT number FROM numbers").fetchone()[0])


def as_caller(asker: Asker, reading: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A request of ``asker``, under way."""

    async def run() -> Any:
        asking.set(asker)
        return await reading

    return asyncio.create_task(run())


async def occupied(readers: SqliteReaders, asker: Asker, count: int) -> tuple[list[Gate], list[asyncio.Task[Any]]]:
    """``count`` questions of one caller, begun."""
    gates = [Gate() for _ in range(count)]
    tasks = [as_caller(asker, readers.read(gate.wait)) for gate in gates]
    for gate in gates:
        await gate.begun.wait()
    return gates, tasks


async def ended(gates: list[Gate], tasks: list[asyncio.Task[Any]]) -> None:
    for gate in gates:
        gate.open.set()
    assert set(await asyncio.gather(*tasks)) <= {"let through"}


async def test_a_question_of_another_caller_is_answered_while_one_waits_with_many(readers: SqliteReaders) -> None:
    greedy = Asker("job:w:greedy")
    gates, tasks = await occupied(readers, greedy, THREADS // 2)
    more = [as_caller(greedy, readers.read(number)) for _ in range(WAITING_EACH_MAX)]
    assert await as_caller(Asker("owner::"), readers.read(number)) == 7
    assert not any(task.done() for task in (*tasks, *more))
    with pytest.raises(Refused) as refused:
        await as_caller(greedy, readers.read(number))
    assert refused.value.code == "caller.busy"
    await ended(gates, tasks)
    assert await asyncio.gather(*more) == [7] * WAITING_EACH_MAX


async def test_a_question_whose_time_is_over_while_it_waits_is_never_run(readers: SqliteReaders) -> None:
    asker, ran = Asker("a"), list[int]()
    gates, tasks = await occupied(readers, asker, THREADS // 2)
    with pytest.raises(Refused, match="was not begun") as refused:
        await as_caller(asker, readers.read(lambda db: ran.append(1), timeout_seconds=0.01))
    assert refused.value.code == "service.busy"
    await ended(gates, tasks)
    assert await as_caller(asker, readers.read(number)) == 7
    assert not ran


def one_long_statement(gate: Gate, db: Database) -> None:
    gate.begin()
    db.execute(ENDLESS).fetchall()


def many_short_statements(gate: Gate, db: Database) -> None:
    gate.begin()
    while True:
        number(db)


@pytest.mark.parametrize("endless", [one_long_statement, many_short_statements])
@pytest.mark.parametrize("how", ["leaves", "cancelled"])
async def test_a_question_that_nobody_waits_for_any_more_frees_its_thread(
    path: Path, how: str, endless: Callable[[Gate, Database], None]
) -> None:
    readers, asker, gate = SqliteReaders(path, threads=1), Asker("a"), Gate()
    running = as_caller(asker, readers.read(lambda db: endless(gate, db), timeout_seconds=PATIENCE_SECONDS * 2))
    await gate.begun.wait()
    ran = list[int]()
    waiting = as_caller(asker, readers.read(lambda db: ran.append(1)))
    await asyncio.sleep(0)
    if how == "leaves":
        asker.leave()
    else:
        running.cancel()
        waiting.cancel()
    for task in (running, waiting):
        with pytest.raises((AskerGone, asyncio.CancelledError)):
            await task
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await readers.read(number) == 7
    assert not ran, "it waited when its asker left"
    await readers.close()


@pytest.mark.parametrize("endless", [one_long_statement, many_short_statements])
async def test_the_time_of_a_question_ends_within_one_statement_and_between_many(
    readers: SqliteReaders, endless: Callable[[Gate, Database], None]
) -> None:
    gate = Gate()
    with pytest.raises(Refused) as refused:
        await readers.read(lambda db: endless(gate, db), timeout_seconds=0.1)
    assert refused.value.code == "query.too_long"


async def test_closing_does_not_wait_for_the_end_of_a_long_question(path: Path) -> None:
    readers, gate = SqliteReaders(path), Gate()
    running = asyncio.create_task(readers.read(lambda db: one_long_statement(gate, db), timeout_seconds=1000))
    await gate.begun.wait()
    await readers.close()
    with pytest.raises(Refused):
        await running
