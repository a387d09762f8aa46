"""From the log to a view: batches of entries, each with its checkpoint in one transaction.

A view can be thrown away and computed again. Its checkpoint is the position it has reached and the hash
of the commit there, written in the same transaction as the rows, so effects are exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

from treering.kernel.clock import monotonic_seconds
from treering.kernel.disk import until_written
from treering.kernel.ending import end
from treering.kernel.feed import Feed
from treering.kernel.log import Entry, EventLog, LogDamaged
from treering.kernel.refusal import Refused


class Checkpoint(NamedTuple):
    position: int
    hash: str  # of the commit at that position, "" at the start


class ViewDamaged(Refused):
    """What is stored of the view was changed behind its back. It is not served; the view is computed again."""


class ViewStore(Protocol):
    """A view with its storage; every method is quick or runs in a thread of its own."""

    name: str

    async def checkpoint(self) -> Checkpoint: ...

    async def apply(self, entries: Sequence[Entry]) -> None:
        """Rows and checkpoint of a batch, in one transaction."""
        ...


@runtime_checkable
class RemakableStore(ViewStore, Protocol):
    """A store that finds out when it was changed behind its back, and can begin again from nothing."""

    @property
    def damaged(self) -> asyncio.Event:
        """Set when it is to be made again, by whoever found it changed."""
        ...

    async def make_again(self) -> None:
        """Throw away what is damaged, so that the checkpoint is lower. Clears ``damaged``."""
        ...


class Projector:
    """Keeps one view up with the log, and lets readers wait until it has reached a position."""

    def __init__(
        self,
        log: EventLog,
        view: ViewStore,
        *,
        subject: str = "evt.>",
        gather_seconds: float = 0.0,
        feed: Feed | None = None,
    ) -> None:
        """``gather_seconds`` is how long to let entries gather after a batch, unless a reader waits for one of them:
        fewer transactions, and no later reads. With a ``feed``, what it brings is read instead of the log.
        """
        self.log = log
        self.view = view
        self.subject = subject
        self.gather_seconds = gather_seconds
        self.feed = feed
        self.position = 0
        self.moved = asyncio.Event()
        self.readers = 0  # that wait
        self.asked = asyncio.Event()
        self.moved_at_seconds = monotonic_seconds()

    async def run(self) -> None:
        """Project until cancelled; raises LogDamaged when the log answers with what the view has passed.

        A view whose storage was damaged is made again from the log.
        """
        if not isinstance(self.view, RemakableStore):
            await self.project()
            return
        while True:
            await self.project_until(self.view.damaged)
            await until_written(self.view.make_again, self.view.name)

    async def project_until(self, damaged: asyncio.Event) -> None:
        projecting, told = asyncio.ensure_future(self.project()), asyncio.ensure_future(damaged.wait())
        try:
            await asyncio.wait({projecting, told}, return_when=asyncio.FIRST_COMPLETED)
            if projecting.done():
                projecting.result()
        except ViewDamaged:
            await damaged.wait()
        finally:
            await end(projecting, told)

    async def project(self) -> None:
        """Apply what the log has behind the view's checkpoint, and then what comes."""
        self.advance((await self.view.checkpoint()).position)  # Somebody may wait for it already.
        async for batch in self.batches():
            if batch[0].position <= self.position:
                raise LogDamaged(
                    f"{self.view.name} has reached position {self.position}, "
                    f"and the log now sends {batch[0].position}: positions were used twice"
                )
            await until_written(partial(self.view.apply, batch), self.view.name)
            self.advance(batch[-1].position)
            if self.gather_seconds and not self.readers:
                await self.gather()

    def batches(self) -> AsyncIterator[Sequence[Entry]]:
        if self.feed is not None:
            return self.feed.follow(after=self.position)
        return self.log.follow(after=self.position, subject=self.subject)

    async def gather(self) -> None:
        self.asked.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.gather_seconds):
                await self.asked.wait()

    def advance(self, position: int) -> None:
        self.position = position
        self.moved_at_seconds = monotonic_seconds()
        self.moved.set()
        self.moved = asyncio.Event()

    async def reached(self, position: int, timeout_seconds: float = 10.0) -> None:
        """Wait until the view shows ``position``; ``Refused("view.behind")`` when that takes too long."""
        if self.position >= position:
            return
        self.readers += 1
        self.asked.set()
        try:
            async with asyncio.timeout(timeout_seconds):
                while self.position < position:
                    await self.moved.wait()
        except TimeoutError:
            raise Refused(
                "view.behind", f"{self.view.name} is at position {self.position}, {position} was asked for; try again"
            ) from None
        finally:
            self.readers -= 1
