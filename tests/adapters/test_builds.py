"""An environment that several wait for: made once, and ended only when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from treering.adapters import uv
from treering.adapters.builds import Builds, Say
from treering.adapters.process_tree import all_processes, read
from treering.kernel.meter import Meter, begin, metered, tick

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 20.0
KEY = Path("/locks/a.txt")
LEAVES_ITS_SESSION = """
import os, subprocess, sys
script = "import os, time; open('escaped', 'w').write(str(os.getpid())); time.sleep(300)"
child = [sys.executable, "-c", script]
subprocess.Popen(child, start_new_session=True)
import time
time.sleep(300)
"""


class Work:
    """A build that ends when it is told to; how often it was begun and how often cancelled."""

    def __init__(self) -> None:
        self.finish = asyncio.Event()
        self.begun = self.cancelled = 0

    async def __call__(self, say: Say) -> Path:
        self.begun += 1
        say("begun")
        begin(7, "packages")
        tick(2)
        try:
            await self.finish.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Path("/made")


async def waiting(builds: Builds, work: Work, said: list[str]) -> asyncio.Task[Path]:
    """Somebody who waits, and has joined when this returns."""
    task = asyncio.create_task(builds.wait(KEY, work, said.append))
    while not said:
        await asyncio.wait({task}, timeout=0.01)
    return task


async def test_a_build_goes_on_when_one_of_two_who_wait_is_canceled() -> None:
    builds, work = Builds(), Work()
    async with asyncio.timeout(PATIENCE_SECONDS):
        first, second = await waiting(builds, work, []), await waiting(builds, work, [])
        first.cancel()
        await asyncio.wait({first})
        work.finish.set()
        assert await second == Path("/made")
    assert (work.begun, work.cancelled) == (1, 0)


async def test_a_build_ends_when_all_who_wait_are_canceled_and_is_begun_again_by_the_next() -> None:
    builds, work = Builds(), Work()
    async with asyncio.timeout(PATIENCE_SECONDS):
        tasks = [await waiting(builds, work, []), await waiting(builds, work, [])]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        third = await waiting(builds, work, [])
        work.finish.set()
        assert await third == Path("/made")
    assert (work.begun, work.cancelled) == (2, 1)


async def test_who_joins_late_hears_what_was_said_and_sees_how_far_it_is() -> None:
    builds, work, said, meter = Builds(), Work(), list[str](), Meter()
    async with asyncio.timeout(PATIENCE_SECONDS):
        first = await waiting(builds, work, [])
        with metered(meter):
            second = await waiting(builds, work, said)
        assert said == ["begun"]
        assert meter.source is not None and str(meter.source) == "2 of 7 packages"
        work.finish.set()
        await asyncio.gather(first, second)


async def test_what_a_build_started_is_killed_with_it_also_when_it_has_left_its_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv, "find_uv_bin", lambda: sys.executable)
    async with asyncio.timeout(PATIENCE_SECONDS):
        running = asyncio.create_task(uv.run_uv(["-c", LEAVES_ITS_SESSION], tmp_path, 300.0))
        while not (escaped := read(str(tmp_path / "escaped"))):
            await asyncio.wait({running}, timeout=0.01)
        running.cancel()
        await asyncio.wait({running})
    assert int(escaped) not in all_processes()
