"""The projector: how it gathers entries, and that nobody waits longer for it, or for what was there all along."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from treering.adapters.memory_log import MemoryLog
from treering.kernel.log import Entry
from treering.kernel.projector import Checkpoint, Projector

pytestmark = pytest.mark.anyio
FOR_EVER_SECONDS = 3600.0


class Batches:
    """A view that remembers in which batches its entries came."""

    name = "batches"

    def __init__(self, reached: int = 0) -> None:
        self.reached = reached  # in an earlier life
        self.seen: list[list[int]] = []

    async def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.reached, "")

    async def apply(self, entries: Sequence[Entry]) -> None:
        self.seen.append([entry.position for entry in entries])


async def appended(log: MemoryLog, *names: str) -> int:
    """The position of the last of these entries."""
    for name in names:
        position = (await log.append(f"evt.w.k.{name}", b"{}", id=name, expected=0)).position
    return position


async def test_entries_gather_until_a_reader_waits_for_one() -> None:
    log, view = MemoryLog(), Batches()
    projector = Projector(log, view, gather_seconds=FOR_EVER_SECONDS)
    running = asyncio.create_task(projector.run())
    # Given a projector that has applied a first entry, and more that nobody asks for,
    await projector.reached(await appended(log, "a"))
    last = await appended(log, "b", "c", "d")
    # when a reader asks for the last of them, then it does not wait for the gathering to end,
    async with asyncio.timeout(30):
        await projector.reached(last)
    # and they came as one batch.
    assert view.seen == [[1], [2, 3, 4]]
    running.cancel()


async def test_who_waits_before_the_start_for_what_the_view_has_is_told() -> None:
    projector = Projector(MemoryLog(), Batches(reached=3))
    waiter = asyncio.create_task(projector.reached(3, timeout_seconds=20.0))
    running = asyncio.create_task(projector.run())
    await waiter
    assert projector.position == 3
    running.cancel()
