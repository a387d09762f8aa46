"""``treering up`` is killed: nothing of it goes on behind its back, and the next one takes its jobs up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.system.checks import read_marks
from tests.system.http_client import JOBS, Gateway
from tests.system.up import READY_SECONDS_MAX, launched, up
from tests.system.views import until
from tests.system.work import START, Work

from treering.config import Home

pytestmark = pytest.mark.anyio
WAIT_SECONDS = 30.0
LONG_AT_FIRST = START + '[ "$a" -gt 1 ] || sleep 300'


async def test_after_a_kill_the_next_up_starts_at_once_and_runs_the_lost_job_again(tmp_path: Path) -> None:
    home, marks = Home(tmp_path / "home"), tmp_path / "marks"
    gateway = Gateway(home, [])

    def status() -> str:
        return str(gateway.get_once(f"{JOBS}/long").get("status", ""))

    # Given an installation that runs a job, and is killed,
    marks.touch()
    shown = ("--show-path", f"{marks}:rw")  # the file that the job writes to stands outside its own folder
    first = await launched(home.root, *shown)
    assert first.stdout is not None
    async with asyncio.timeout(READY_SECONDS_MAX):
        while b" is ready" not in await first.stdout.readline():
            pass
    await gateway.submit("long", Work("long", "long", LONG_AT_FIRST).spec(marks))
    assert await until(lambda: status() == "Running" and bool(read_marks(marks)), WAIT_SECONDS)
    first.kill()
    await first.wait()
    # when it is started again,
    async with up(home.root, *shown):
        # then the job runs a second time, to its end, and nobody took the second attempt for the first.
        assert await until(lambda: status() == "Completed", WAIT_SECONDS)
        executors = [line for line in running_below(home.root) if " executor " in line]
        assert len(executors) == 1
    assert sorted(mark.attempt for mark in read_marks(marks) if mark.what == "start") == [1, 2]
    assert await until(lambda: not running_below(home.root), WAIT_SECONDS)


def running_below(root: Path) -> list[str]:
    """The command lines of all processes that name the home."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if str(root) in line:
            found.append(line)
    return found
