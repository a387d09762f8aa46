"""Commands start only when told to, and nothing they started outlives them: by every containment there is here."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from treering.adapters.launcher import Launch, Launcher, LauncherFailed, Running

pytestmark = pytest.mark.anyio
PATH = {"PATH": os.environ["PATH"]}
# A daemon that has left its session, whose parent is gone, and that does not hear SIGTERM: it says its pid.
DAEMON = "(trap '' TERM; setsid bash -c 'trap \"\" TERM; echo $$; exec sleep 600' &) ; "
OWNER = """
import asyncio, sys
from pathlib import Path
from treering.adapters.launcher import Launch, Launcher

async def main():
    launcher = Launcher("orphan", containment=sys.argv[1], home=Path(sys.argv[2]))
    running = await launcher.launch(Launch("g", ["/bin/bash", "-c", sys.argv[3]], Path("/"), {"PATH": sys.argv[4]}))
    running.go()
    async for chunk in running.output():
        sys.stdout.buffer.write(chunk)
        sys.stdout.flush()

asyncio.run(main())
"""


@pytest.fixture(params=["cgroup2", "cgroup1", "session"])
async def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Launcher]:
    launcher = Launcher("test", containment=request.param, home=tmp_path)
    try:
        await launcher.start()
    except LauncherFailed as failed:
        pytest.skip(f"{request.param} cannot be used here: {failed}")
    yield launcher
    await launcher.close()


async def launched(launcher: Launcher, command: str, group: str = "g", cwd: Path = Path("/")) -> Running:
    return await launcher.launch(Launch(group, ["/bin/bash", "-c", command], cwd, PATH))


async def first_line(running: Running) -> str:
    text = b""
    async for chunk in running.output():
        text += chunk
        if b"\n" in text:
            return text.split(b"\n")[0].decode()
    raise AssertionError(f"the command said nothing but {text!r}")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while alive(pid):
            await asyncio.to_thread(os.sched_yield)


async def test_output_and_exit_code_of_a_command_come_back(launcher: Launcher) -> None:
    running = await launched(launcher, "echo out; echo err >&2; exit 3")
    running.go()
    assert b"".join([chunk async for chunk in running.output()]) == b"out\nerr\n"
    assert (await running.wait()).exit_code == 3


async def test_a_command_that_is_not_told_to_go_never_runs(launcher: Launcher, tmp_path: Path) -> None:
    running = await launched(launcher, f"touch {tmp_path / 'ran'}")
    await running.kill()
    assert not (tmp_path / "ran").exists()


async def test_killing_takes_daemons_that_ignore_sigterm(launcher: Launcher) -> None:
    running = await launched(launcher, DAEMON + "exec sleep 600")
    running.go()
    daemon = int(await first_line(running))
    ended = await running.kill(grace_seconds=0.05)
    assert ended.signal in (signal.SIGTERM, signal.SIGKILL)
    assert not alive(daemon)


async def test_daemons_end_when_their_job_ends(launcher: Launcher) -> None:
    running = await launched(launcher, DAEMON + "read -t 600 < <(sleep 0.2); exit 0")
    running.go()
    daemon = int(await first_line(running))
    assert (await running.wait()).exit_code == 0
    assert not alive(daemon)


async def test_a_bounded_fork_bomb_is_killed_whole(launcher: Launcher) -> None:
    bomb = "echo $$; f() { [ $1 -gt 0 ] && (f $(($1 - 1)) & f $(($1 - 1)) &) ; sleep 600; }; f 5"
    running = await launched(launcher, bomb)
    running.go()
    await first_line(running)
    await running.kill()
    assert (await running.wait()).signal == signal.SIGKILL


@pytest.mark.parametrize(
    ("argv", "cwd", "why"),
    [(["/no/such/program"], "/", "No such file"), (["/bin/true"], "/no/such/folder", "No such file")],
)
async def test_what_cannot_start_says_why(launcher: Launcher, argv: list[str], cwd: str, why: str) -> None:
    running = await launcher.launch(Launch("g", argv, Path(cwd), PATH))
    running.go()
    ended = await running.wait()
    assert why in ended.error and "/no/such" in ended.error


async def test_a_switch_that_is_not_renewed_kills_everything(launcher: Launcher) -> None:
    running = await launched(launcher, DAEMON + "exec sleep 600")
    running.go()
    daemon = int(await first_line(running))
    launcher.keep_alive(0.05)
    ended = await running.wait()
    assert "silent" in ended.lost and ended.signal is None  # we ended it, so it is lost and did not fail
    assert not alive(daemon)


async def test_twenty_kills_at_random_moments_leave_nobody(launcher: Launcher) -> None:
    chance = random.Random(7)
    for number in range(20):
        running = await launched(launcher, DAEMON + "exec sleep 600", group=f"g{number}")
        running.go()
        for _ in range(chance.randrange(0, 400)):
            await asyncio.to_thread(os.sched_yield)
        await running.kill()
        async with asyncio.timeout(10):
            said = b"".join([chunk async for chunk in running.output()])
        assert not any(alive(int(pid)) for pid in said.split())


def started_owner(mode: str, home: Path) -> tuple[subprocess.Popen[bytes], int, list[int]]:
    """A process with a launcher that runs a daemon: the process, the daemon, and the launcher's spawners."""
    command = [sys.executable, "-c", OWNER, mode, str(home), DAEMON + "exec sleep 600", os.environ["PATH"]]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert owner.stdout is not None
    daemon = int(owner.stdout.readline())
    spawners = Path(f"/proc/{owner.pid}/task/{owner.pid}/children").read_text().split()
    return owner, daemon, [int(pid) for pid in spawners]


@pytest.mark.parametrize("both", [False, True], ids=["the executor", "the executor and its spawner"])
async def test_nothing_survives_the_death_of(launcher: Launcher, tmp_path: Path, both: bool) -> None:
    owner, daemon, spawners = await asyncio.to_thread(started_owner, launcher.mode, tmp_path)
    owner.kill()
    if both:
        for spawner in spawners:
            os.kill(spawner, signal.SIGKILL)
        heir = Launcher("orphan", containment=launcher.mode, home=tmp_path)
        await heir.sweep_all()
        await heir.close()
        assert not alive(daemon)
    await gone(daemon)
    await asyncio.to_thread(owner.communicate)
