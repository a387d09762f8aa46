"""One follower of the log for all of a process: what it brings is read once and handed to each that follows.

Each follower is a cursor. The newest commits are in a ring; who is behind it, at the start or because he is slow,
follows the log by himself until the ring has what he needs next. So nobody waits for anybody, and memory is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from treering.kernel.log import Entry, EventLog

ENTRIES_MAX = 4096
BYTES_MAX = 8 * 1024 * 1024
BATCH_MAX = 1000


class Feed:
    """``run`` must run. The ring holds every commit behind ``floor`` up to ``position``; positions have no gaps."""

    def __init__(self, log: EventLog, *, after: int) -> None:
        """``after`` is where the ring begins: the position that most of its followers have reached."""
        self.log = log
        self.ring: list[Entry] = []
        self.bytes = 0
        self.floor = self.position = after
        self.turns = 0  # how often the log went back: positions were used twice, and each follower is to see it
        self.moved = asyncio.Event()

    async def run(self) -> None:
        """Follow the log until cancelled."""
        async with aclosing(self.log.follow(after=self.position)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                self.add(batch)

    def add(self, batch: Sequence[Entry]) -> None:
        if batch[0].position != self.position + 1:
            self.turns += batch[0].position <= self.position
            self.floor, self.bytes = batch[0].position - 1, 0
            self.ring.clear()
        self.ring += batch
        self.bytes += sum(len(entry.body) for entry in batch)
        self.position = batch[-1].position
        while len(self.ring) > ENTRIES_MAX or self.bytes > BYTES_MAX:
            self.drop_oldest()
        self.moved.set()
        self.moved = asyncio.Event()

    def drop_oldest(self) -> None:
        """Half of the ring at once, so that it is not moved in memory at each commit."""
        dropped = self.ring[: (len(self.ring) + 1) // 2]
        del self.ring[: len(dropped)]
        self.floor = dropped[-1].position
        self.bytes -= sum(len(entry.body) for entry in dropped)

    async def follow(self, *, after: int = 0) -> AsyncIterator[Sequence[Entry]]:
        """Every commit behind ``after``, then each new one as it comes, in batches, without gap or repeat."""
        turns = self.turns
        while True:
            if turns != self.turns:
                turns, after = self.turns, self.floor
            elif after < self.floor:
                async with aclosing(self.log.follow(after=after)) as batches:  # type: ignore[type-var]
                    async for batch in batches:
                        after = batch[-1].position
                        yield batch
                        if after >= self.floor:
                            break
            elif after < self.position:
                start = after - self.floor
                batch = self.ring[start : start + BATCH_MAX]
                after = batch[-1].position
                yield batch
            else:
                await self.moved.wait()
