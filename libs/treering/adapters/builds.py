"""Work that several may wait for and that ends when nobody waits any more.

An environment that three jobs need is made once. When one of the three is canceled the other two still get it; when
all are, it is not made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from treering.kernel.meter import Meter, metered, shown_as

Say = Callable[[str], None]
Work = Callable[[Say], Awaitable[Path]]
LINES_MAX = 100


class Build:
    """One piece of work under way; what it says goes to all who wait, also what it said before they came."""

    def __init__(self, work: Work) -> None:
        self.meter = Meter()
        self.waiting: list[Say] = []
        self.lines: list[str] = []
        with metered(self.meter):
            self.task = asyncio.create_task(self.run(work))

    async def run(self, work: Work) -> Path:
        return await work(self.say)

    def say(self, line: str) -> None:
        if len(self.lines) < LINES_MAX:
            self.lines.append(line)
        for say in list(self.waiting):
            say(line)

    def join(self, say: Say) -> None:
        for line in self.lines:
            say(line)
        self.waiting.append(say)


class Builds:
    """The builds under way in this process, by the file that names what they make."""

    def __init__(self) -> None:
        self.under_way: dict[Path, Build] = {}

    async def wait(self, key: Path, work: Work, say: Say) -> Path:
        """The result of ``work``, begun unless it is under way. Whoever is cancelled last cancels it."""
        build = self.under_way.get(key)
        if build is None:
            build = self.under_way[key] = Build(work)
            build.task.add_done_callback(lambda _: self.forget(key, build))
        build.join(say)
        shown_as(build.meter)
        try:
            return await asyncio.shield(build.task)
        finally:
            build.waiting.remove(say)
            if not build.waiting and not build.task.done():
                self.forget(key, build)
                build.meter.stop()
                build.task.cancel()

    def forget(self, key: Path, build: Build) -> None:
        """Whoever comes now begins again: the file lock keeps two processes, and two builds, from one another."""
        if self.under_way.get(key) is build:
            del self.under_way[key]
