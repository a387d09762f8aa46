"""The executor may be killed or stopped, with its spawner or without: its jobs end, or the next executor ends them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.adapters.launcher_example import DAEMONS, GONE_SECONDS_MAX, MODES, Witness, launcher_in

from treering.adapters.launcher import Launcher

pytestmark = pytest.mark.anyio

EXECUTOR = """
import asyncio, os, sys
from pathlib import Path
from treering.adapters.launcher import Launch, Launcher

async def main(mode, home, script, alive_seconds):
    launcher = Launcher("node", containment=mode, home=Path(home))
    await launcher.start()
    env = {"PATH": os.environ["PATH"]}
    running = await launcher.launch(Launch("runs", ["/bin/sh", "-c", script], Path(home), env))
    running.go()
    waiting = await launcher.launch(Launch("waits", ["/bin/sh", "-c", "touch ran"], Path(home), env))
    if alive_seconds:
        launcher.keep_alive(float(alive_seconds))
    print(waiting.pid, flush=True)
    await running.wait()

asyncio.run(main(*sys.argv[1:]))
"""


class Executor:
    """An executor in a process of its own, with one job that runs and one child that waits for its go."""

    def __init__(self, mode: str, home: Path, alive_seconds: str) -> None:
        argv = [sys.executable, "-c", EXECUTOR, mode, str(home), DAEMONS, alive_seconds]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.waiting_descriptor = os.pidfd_open(int(self.process.stdout.readline()))
        self.spawner = psutil.Process(self.process.pid).children()[0].pid

    def waiting_child_has_gone(self) -> bool:
        return bool(select.select([self.waiting_descriptor], [], [], GONE_SECONDS_MAX)[0])

    def stop(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def executor_in(mode: str, home: Path, *, alive_seconds: str = "") -> Iterator[Executor]:
    executor = Executor(mode, home, alive_seconds)
    try:
        yield executor
    finally:
        executor.kill()
        assert executor.process.stdout is not None
        executor.process.stdout.close()
        os.close(executor.waiting_descriptor)


@pytest.fixture(params=MODES)
async def mode(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    async with launcher_in(request.param, tmp_path) as launcher:
        return launcher.mode


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    witness = Witness(tmp_path / "witness")
    yield witness
    witness.close()


async def test_nobody_survives_an_executor_that_was_killed(mode: str, witness: Witness, tmp_path: Path) -> None:
    with executor_in(mode, tmp_path) as executor:
        witness.lines(4)
        executor.kill()
        assert witness.sees_the_last_one_go()
        assert executor.waiting_child_has_gone()
    assert not (tmp_path / "ran").exists()


async def test_nobody_survives_an_executor_that_was_stopped_until_its_lease_ended(
    mode: str, witness: Witness, tmp_path: Path
) -> None:
    with executor_in(mode, tmp_path, alive_seconds="2") as executor:
        witness.lines(4)
        executor.stop()
        assert witness.sees_the_last_one_go()
        assert executor.waiting_child_has_gone()
    assert not (tmp_path / "ran").exists()


async def test_what_executor_and_spawner_left_is_swept_by_the_next_executor(
    mode: str, witness: Witness, tmp_path: Path
) -> None:
    with executor_in(mode, tmp_path) as executor:
        witness.lines(4)
        executor.stop()  # Else it would sweep when its spawner dies.
        os.kill(executor.spawner, signal.SIGKILL)
        executor.kill()
        assert executor.waiting_child_has_gone()
        assert not witness.sees_nobody()
        async with launcher_in(mode, tmp_path) as launcher:
            await launcher.sweep_all()
            assert witness.sees_nobody()
    assert not (tmp_path / "ran").exists()


async def test_a_sweep_finds_what_another_containment_held(mode: str, witness: Witness, tmp_path: Path) -> None:
    with executor_in(mode, tmp_path) as executor:
        witness.lines(4)
        executor.stop()
        os.kill(executor.spawner, signal.SIGKILL)
        executor.kill()
        async with launcher_in("session", tmp_path) as launcher:
            await launcher.sweep_all()
            assert witness.sees_nobody()


async def test_a_sweep_leaves_the_jobs_of_other_nodes_and_homes_alone(
    mode: str, witness: Witness, tmp_path: Path
) -> None:
    with executor_in(mode, tmp_path):
        witness.lines(4)
        for other in (
            Launcher("node", containment=mode, home=tmp_path / "other"),
            Launcher("node2", containment=mode, home=tmp_path),
        ):
            await other.sweep_all()
            await other.close()
        assert not witness.sees_nobody()
    assert witness.sees_the_last_one_go()
