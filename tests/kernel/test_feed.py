"""A feed: one follower of the log, and each that follows it gets every commit once, however slow he is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from treering.adapters.memory_log import MemoryLog
from treering.kernel import feed as feeds
from treering.kernel.feed import Feed
from treering.kernel.log import Entry, EventLog, LogDamaged
from treering.kernel.projector import Checkpoint, Projector

pytestmark = pytest.mark.anyio
SECONDS_MAX = 30


class CountingLog(MemoryLog):
    """Counts who follows it now."""

    def __init__(self) -> None:
        super().__init__()
        self.followers = 0

    async def follow(self, *, after: int = 0, subject: str = "evt.>") -> AsyncIterator[Sequence[Entry]]:
        self.followers += 1
        try:
            async for batch in super().follow(after=after, subject=subject):
                yield batch
        finally:
            self.followers -= 1


async def write(log: MemoryLog, count: int) -> None:
    for _ in range(count):
        number = len(log.entries) + 1
        await log.append(f"evt.w.k.{number}", b"x" * 100, id=str(number), expected=0)


async def read(feed: Feed, after: int, last: int) -> list[int]:
    found: list[int] = []
    async for batch in feed.follow(after=after):
        found += [entry.position for entry in batch]
        if found[-1] >= last:
            return found
    raise AssertionError("it ended")


@asynccontextmanager
async def running(log: EventLog, after: int = 0) -> AsyncIterator[Feed]:
    feed = Feed(log, after=after)
    task = asyncio.create_task(feed.run())
    try:
        async with asyncio.timeout(SECONDS_MAX):
            yield feed
    finally:
        task.cancel()
        await asyncio.wait({task})


async def reached(feed: Feed, position: int) -> None:
    while feed.position < position:
        await feed.moved.wait()


@pytest.mark.parametrize("entries_max", [4, 50, 1000])
async def test_each_follower_gets_every_commit_once_wherever_he_begins(
    monkeypatch: pytest.MonkeyPatch, entries_max: int
) -> None:
    monkeypatch.setattr(feeds, "ENTRIES_MAX", entries_max)
    log = MemoryLog()
    await write(log, 30)
    async with running(log, after=20) as feed:
        reading = [asyncio.create_task(read(feed, after, 90)) for after in (0, 5, 20, 29, 35)]
        await write(log, 30)
        await reached(feed, 60)
        late = asyncio.create_task(read(feed, 10, 90))
        await write(log, 30)
        assert [await task for task in reading] == [list(range(after + 1, 91)) for after in (0, 5, 20, 29, 35)]
        assert await late == list(range(11, 91))
    assert len(feed.ring) <= entries_max


async def test_one_who_takes_nothing_for_long_misses_nothing_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "BYTES_MAX", 1000)
    log = MemoryLog()
    await write(log, 2)
    async with running(log) as feed:
        slow = feed.follow()
        first = await anext(slow)
        await write(log, 200)
        await reached(feed, 202)
        assert len(feed.ring) <= 10
        found = [entry.position for entry in first]
        while found[-1] < 202:
            found += [entry.position for entry in await anext(slow)]
        assert found == list(range(1, 203))


async def test_who_has_caught_up_needs_no_follower_of_his_own() -> None:
    log = CountingLog()
    await write(log, 20)
    async with running(log, after=15) as feed:
        reading = asyncio.create_task(read(feed, 0, 40))
        await reached(feed, 20)
        await write(log, 20)
        await reading
        assert log.followers == 1
    assert log.followers == 0


class Nothing:
    """A view that shows nothing and remembers its position."""

    name = "nothing"

    def __init__(self) -> None:
        self.applied: list[int] = []

    async def checkpoint(self) -> Checkpoint:
        return Checkpoint(0, "")

    async def apply(self, entries: Sequence[Entry]) -> None:
        self.applied.append(len(entries))


async def test_positions_used_twice_reach_every_view() -> None:
    feed = Feed(MemoryLog(), after=0)
    projectors = [Projector(feed.log, Nothing(), feed=feed) for _ in range(2)]
    tasks = [asyncio.create_task(projector.run()) for projector in projectors]
    feed.add([Entry(number, "evt.w.k.a", b"") for number in range(1, 4)])
    for projector in projectors:
        await projector.reached(3)
    feed.add([Entry(2, "evt.w.k.a", b"other")])
    for task in tasks:
        with pytest.raises(LogDamaged, match="positions were used twice"):
            await asyncio.wait_for(task, SECONDS_MAX)


async def test_commits_gather_unless_somebody_waits_for_one() -> None:
    log, view = MemoryLog(), Nothing()
    projector = Projector(log, view, gather_seconds=3600.0)
    task = asyncio.create_task(projector.run())
    await write(log, 1)
    await projector.reached(1, SECONDS_MAX)
    await write(log, 20)
    await projector.reached(20, SECONDS_MAX)
    assert view.applied == [1, 20]
    task.cancel()
    await asyncio.wait({task})
