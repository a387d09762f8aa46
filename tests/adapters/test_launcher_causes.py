"""How a command ended is put down to its cause: itself, something else, the memory, or a helper process of ours."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from tests.adapters.launcher_example import MODES, launcher_in, read_all, shell

from treering.adapters.launcher import SPAWNER_GONE, Launcher
from treering.adapters.memory_kills import MemoryKills
from treering.adapters.process_tree import read

pytestmark = pytest.mark.anyio
MEMORY_HIERARCHY = Path("/sys/fs/cgroup/memory")
LIMIT_BYTES = 200 * 1024 * 1024

GREEDY = """
import asyncio, os, sys
from pathlib import Path
from treering.adapters.launcher import Launch, Launcher

async def main(home):
    launcher = Launcher("node", home=Path(home))
    running = await launcher.launch(Launch("job", [sys.executable, "-c", sys.argv[2]], Path(home), {"PATH": "/bin"}))
    running.go()
    ended = await running.wait()
    print(ended.out_of_memory, ended.memory_limit_bytes, flush=True)
    await launcher.close()

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture(params=MODES)
async def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Launcher]:
    async with launcher_in(request.param, tmp_path) as launcher:
        yield launcher


def spawner_pid() -> int:
    return next(child.pid for child in psutil.Process().children() if "spawner.py" in " ".join(child.cmdline()))


async def test_a_command_whose_spawner_was_killed_is_lost(launcher: Launcher, tmp_path: Path) -> None:
    running = await launcher.launch(shell("exec sleep 300", tmp_path))
    running.go()
    os.kill(spawner_pid(), signal.SIGKILL)
    ended = await running.wait()
    assert (ended.lost, ended.signal, ended.exit_code, ended.error) == (SPAWNER_GONE, None, None, "")


async def test_a_command_that_kills_itself_is_ended_by_that_signal(launcher: Launcher, tmp_path: Path) -> None:
    running = await launcher.launch(shell("kill -9 $$", tmp_path))
    running.go()
    ended = await running.wait()
    assert (ended.signal, ended.lost, ended.out_of_memory) == (signal.SIGKILL, "", False)


async def test_a_command_that_was_killed_before_it_began_is_lost(launcher: Launcher, tmp_path: Path) -> None:
    running = await launcher.launch(shell("true", tmp_path))
    os.kill(running.pid, signal.SIGKILL)
    ended = await running.wait()
    assert ended.lost and ended.signal is None


async def test_a_command_goes_before_its_spawner_when_memory_is_short(launcher: Launcher, tmp_path: Path) -> None:
    running = await launcher.launch(shell("cat /proc/self/oom_score_adj", tmp_path))
    running.go()
    score = int(await read_all(running))
    assert score > int(read(f"/proc/{spawner_pid()}/oom_score_adj"))


async def test_a_command_leaves_half_of_the_process_numbers_to_others(launcher: Launcher, tmp_path: Path) -> None:
    running = await launcher.launch(shell("grep processes /proc/self/limits", tmp_path))
    running.go()
    soft, hard = map(int, (await read_all(running)).split()[2:4])
    half = int(read("/proc/sys/kernel/pid_max")) // 2
    ours = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    assert soft <= hard == (half if ours == resource.RLIM_INFINITY else min(ours, half))


@contextmanager
def memory_cgroup(name: str) -> Iterator[Path]:
    """A cgroup with a memory limit, of whichever version gives one; skips where none may be made."""
    folder = MEMORY_HIERARCHY / name
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(LIMIT_BYTES))
    except OSError as error:
        folder = Path("/sys/fs/cgroup") / name
        try:
            folder.mkdir()
            (folder / "memory.max").write_text(str(LIMIT_BYTES))
        except OSError as also:
            with suppress(OSError):
                folder.rmdir()
            pytest.skip(f"no cgroup with a memory limit can be made here: v1: {error}; v2: {also}")
    try:
        yield folder
    finally:
        folder.rmdir()


def test_a_command_that_took_all_memory_is_out_of_memory_and_its_limit_is_named(tmp_path: Path) -> None:
    with memory_cgroup(f"treering-test-{os.getpid()}") as folder:
        code = f"import os; open({str(folder / 'cgroup.procs')!r}, 'w').write('0')\n{GREEDY}"
        greedy = "held = [bytes([n % 256]) * (16 << 20) for n in range(256)]"
        argv = [sys.executable, "-c", code, str(tmp_path), greedy]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", str(LIMIT_BYTES)], done.stderr


def test_a_count_that_the_kernel_does_not_keep_is_zero(tmp_path: Path) -> None:
    kills = MemoryKills(str(tmp_path / "absent"))
    assert (kills.so_far(), kills.limit_bytes()) == (0, 0)
