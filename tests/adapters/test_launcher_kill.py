"""Nobody survives a kill: not what daemonised, left its session, ignores SIGTERM, or forks faster than one looks."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from tests.adapters.launcher_example import DAEMONS, MODES, STAY, Witness, launcher_in, python, read_all, shell

from treering.adapters.launcher import Launcher

pytestmark = pytest.mark.anyio

FORK_BOMB = """
import os, signal
witness = os.open("witness", os.O_WRONLY)
for _ in range(6):  # 64 processes, one of them the main one, which stays;
    os.fork()
os.write(witness, b"up\\n")
if os.getpid() == os.getsid(0):
    signal.pause()
for _ in range(100_000):  # each other goes on as its own child, again and again.
    if os.fork():
        os._exit(0)
"""
SAVE_AT_SIGTERM = """
import os, signal, sys
def save(*_):
    print("saved", open("gate").read())
    sys.exit(3)
signal.signal(signal.SIGTERM, save)
os.write(os.open("witness", os.O_WRONLY), b"up\\n")
while True:
    signal.pause()
"""
STEPS = """
exec 9>witness
for n in 1 2 3 4 5 6; do
  (setsid sh -c "trap '' TERM; echo $n; exec tail -f /dev/null" &)
done
wait
exec tail -f /dev/null
"""
KILLS = 100


@pytest.fixture(params=MODES)
async def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Launcher]:
    async with launcher_in(request.param, tmp_path) as launcher:
        yield launcher


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness")


async def test_a_kill_takes_daemons_that_ignore_sigterm_in_sessions_of_their_own(
    launcher: Launcher, witness: Witness, tmp_path: Path
) -> None:
    running = await launcher.launch(shell(DAEMONS, tmp_path))
    running.go()
    witness.lines(4)
    assert (await running.kill()).signal == signal.SIGKILL
    assert witness.sees_nobody()


async def test_a_kill_takes_a_fork_bomb(launcher: Launcher, witness: Witness, tmp_path: Path) -> None:
    running = await launcher.launch(python(FORK_BOMB, tmp_path))
    running.go()
    witness.lines(64)
    await running.kill()
    assert witness.sees_nobody()


async def test_a_kill_of_one_job_leaves_the_others_alone(launcher: Launcher, witness: Witness, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other_witness = Witness(tmp_path / "other" / "witness")
    running = await launcher.launch(shell(DAEMONS, tmp_path, "one"))
    other = await launcher.launch(shell(DAEMONS, tmp_path / "other", "other"))
    for each in (running, other):
        each.go()
    witness.lines(4)
    other_witness.lines(4)
    await running.kill()
    assert witness.sees_nobody()
    assert not other_witness.sees_nobody()
    assert len(processes_that_hold(other_witness.path)) == 4


async def test_what_a_job_leaves_behind_ends_with_it(launcher: Launcher, witness: Witness, tmp_path: Path) -> None:
    script = DAEMONS.rpartition(STAY)[0] + "read -r _ < gate; echo done"
    os.mkfifo(tmp_path / "gate")
    running = await launcher.launch(shell(script, tmp_path))
    running.go()
    witness.lines(3)
    (tmp_path / "gate").write_text("on\n")
    ended = await running.wait()
    assert witness.sees_nobody()
    assert ended.exit_code == 0
    assert await read_all(running) == b"done\n"


async def test_a_job_that_ends_in_its_grace_says_how(launcher: Launcher, witness: Witness, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    running = await launcher.launch(python(SAVE_AT_SIGTERM, tmp_path))
    running.go()
    witness.lines(1)
    killing = asyncio.create_task(running.kill(grace_seconds=60.0))
    await asyncio.to_thread((tmp_path / "gate").write_text, "model")
    assert (await killing).exit_code == 3
    assert await read_all(running) == b"saved model\n"


async def test_a_child_of_a_shell_has_its_grace_though_the_shell_ends_at_once(
    launcher: Launcher, witness: Witness, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "gate")
    (tmp_path / "train.py").write_text(SAVE_AT_SIGTERM)
    running = await launcher.launch(shell(f"{sys.executable} -I -S train.py; echo no", tmp_path))
    running.go()
    witness.lines(1)
    killing = asyncio.create_task(running.kill(grace_seconds=60.0))
    await asyncio.to_thread((tmp_path / "gate").write_text, "model")
    assert (await killing).signal == signal.SIGTERM
    assert await read_all(running) == b"saved model\n"


async def test_what_ignores_sigterm_is_killed_when_its_grace_is_over(
    launcher: Launcher, witness: Witness, tmp_path: Path
) -> None:
    running = await launcher.launch(shell(DAEMONS, tmp_path))
    running.go()
    witness.lines(4)
    assert (await running.kill(grace_seconds=0.05)).signal == signal.SIGKILL
    assert witness.sees_nobody()


async def test_an_executor_that_is_not_heard_of_in_time_loses_its_jobs(
    launcher: Launcher, witness: Witness, tmp_path: Path
) -> None:
    running = await launcher.launch(shell(DAEMONS, tmp_path))
    running.go()
    witness.lines(4)
    launcher.keep_alive(0.05)
    ended = await running.wait()
    assert ended.lost and ended.signal is None
    assert witness.sees_nobody()


async def test_without_its_spawner_a_job_is_over_and_the_next_one_runs(
    launcher: Launcher, witness: Witness, tmp_path: Path
) -> None:
    running = await launcher.launch(shell(DAEMONS, tmp_path))
    running.go()
    witness.lines(4)
    spawner = psutil.Process(running.pid).ppid()
    os.kill(spawner, signal.SIGKILL)
    assert (await running.wait()).lost
    assert witness.sees_nobody()
    again = await launcher.launch(shell("echo again", tmp_path))
    again.go()
    assert await read_all(again) == b"again\n"


async def test_nobody_survives_a_hundred_kills_at_random_moments(launcher: Launcher, tmp_path: Path) -> None:
    moments = random.Random(20241124)
    for n in range(KILLS):
        folder = tmp_path / str(n)
        folder.mkdir()
        witness = Witness(folder / "witness")
        running = await launcher.launch(shell(STEPS, folder, f"job{n}"))
        if moments.random() < 0.9:
            running.go()
            await read_some(running.output(), moments.randrange(7))
        await running.kill()
        assert witness.sees_nobody(), f"kill {n}"
        witness.close()


async def read_some(output: AsyncIterator[bytes], lines: int) -> None:
    """Until so many lines have come."""
    seen = 0
    while seen < lines:
        seen += (await anext(output)).count(b"\n")


def processes_that_hold(path: Path) -> list[int]:
    holding = []
    for process in psutil.process_iter():
        try:
            links = [os.readlink(link) for link in Path(f"/proc/{process.pid}/fd").iterdir()]
        except OSError:
            continue
        if process.pid != os.getpid() and str(path) in links:
            holding.append(process.pid)
    return holding
