"""Commands run as they were asked to: their output, their ending, their surroundings, and not before their go."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from tests.adapters.launcher_example import MODES, Witness, launcher_in, python, read_all, shell

from treering.adapters.launcher import Launch, Launcher
from treering.adapters.output_pipe import BUFFER_BYTES_MAX
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio

SURROUNDINGS = """
import json, os, signal, sys
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({
    "files": sorted(name for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)),
    # glibc keeps 32 and 33 to itself: what a parent did to them, nobody can undo with sigaction.
    "ignored": [n for n in sorted(signal.valid_signals()) if int(status["SigIgn"], 16) >> n - 1 & 1],
    "blocked": int(status["SigBlk"], 16),
    "own_session": os.getsid(0) == os.getpid(),
    "stdin": sys.stdin.read(),
    "cwd": os.getcwd(),
    "argv": sys.argv[1:],
    "env": {k: v for k, v in os.environ.items() if k not in ("TREERING_GROUP", "LC_CTYPE")},
}))
"""


@pytest.fixture(params=MODES)
async def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Launcher]:
    async with launcher_in(request.param, tmp_path) as launcher:
        yield launcher


async def test_output_of_both_streams_and_the_exit_code_arrive(launcher: Launcher, tmp_path: Path) -> None:
    running = await launcher.launch(shell("echo out; echo err >&2; exit 7", tmp_path))
    running.go()
    assert await read_all(running) == b"out\nerr\n"
    ended = await running.wait()
    assert (ended.exit_code, ended.signal, ended.error) == (7, None, "")
    assert 0.0 < ended.seconds < 20.0


async def test_a_signal_that_ends_the_command_is_named(launcher: Launcher, tmp_path: Path) -> None:
    running = await launcher.launch(shell("kill -SEGV $$", tmp_path))
    running.go()
    ended = await running.wait()
    assert (ended.exit_code, ended.signal) == (None, signal.SIGSEGV)


async def test_a_child_that_gets_no_go_never_runs(launcher: Launcher, tmp_path: Path) -> None:
    killed = await launcher.launch(shell("touch ran", tmp_path, "killed"))
    await killed.kill()
    forgotten = await launcher.launch(shell("touch ran", tmp_path, "forgotten"))
    await launcher.close()
    assert (await killed.wait()).signal == signal.SIGKILL
    assert (await forgotten.wait()).lost
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("argv", "folder", "sentence"),
    [
        (["/no/such/command"], ".", "cannot run the command /no/such/command: No such file or directory"),
        (["no-such-command"], ".", "cannot run the command no-such-command: No such file or directory"),
        (["./data"], ".", "cannot run the command ./data: Permission denied"),
        (["/bin/true"], "nowhere", "cannot enter the folder {cwd}: No such file or directory"),
        (["/bin/echo", "a\0b"], ".", "cannot run the command /bin/echo: embedded null byte"),
    ],
)
async def test_what_cannot_be_run_ends_with_a_sentence(
    launcher: Launcher, tmp_path: Path, argv: list[str], folder: str, sentence: str
) -> None:
    (tmp_path / "data").write_text("not a program")
    running = await launcher.launch(Launch("job", argv, tmp_path / folder, {"PATH": "/usr/bin:/bin"}))
    running.go()
    ended = await running.wait()
    assert ended.error == sentence.format(cwd=tmp_path / folder)
    assert (ended.exit_code, ended.signal, await read_all(running)) == (None, None, b"")


async def test_a_command_starts_with_nothing_of_ours(launcher: Launcher, tmp_path: Path) -> None:
    launch = Launch("job", [sys.executable, "-c", SURROUNDINGS, "größe", "b c"], tmp_path, {"A": "ä", "PATH": "/bin"})
    running = await launcher.launch(launch)
    running.go()
    assert json.loads(await read_all(running)) == {
        "files": ["0", "1", "2"],
        "ignored": [signal.SIGPIPE, signal.SIGXFSZ],  # Python itself ignores these two.
        "blocked": 0,
        "own_session": True,
        "stdin": "",
        "cwd": str(tmp_path),
        "argv": ["größe", "b c"],
        "env": {"A": "ä", "PATH": "/bin"},
    }


async def test_a_waiting_child_shows_no_environment_of_the_executor(
    launcher: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXECUTOR_SECRET", "canary")
    async with launcher_in(launcher.mode, tmp_path / "other") as other:
        running = await other.launch(shell("true", tmp_path))
        assert "EXECUTOR_SECRET" not in psutil.Process(running.pid).environ()


async def test_all_of_a_large_output_arrives(launcher: Launcher, tmp_path: Path) -> None:
    script = "import os, sys\nfor n in range(3000): sys.stdout.write(f'{n:08}' * 250)"
    running = await launcher.launch(python(script, tmp_path))
    running.go()
    expected = hashlib.sha256("".join(f"{n:08}" * 250 for n in range(3000)).encode()).hexdigest()
    assert hashlib.sha256(await read_all(running)).hexdigest() == expected


async def test_output_that_is_read_after_the_end_is_complete(launcher: Launcher, tmp_path: Path) -> None:
    running = await launcher.launch(python("import os; os.write(1, b'x' * 65536)", tmp_path))
    running.go()
    await running.wait()
    assert await read_all(running) == b"x" * 65536


async def test_a_job_whose_output_nobody_reads_waits_and_can_be_killed(launcher: Launcher, tmp_path: Path) -> None:
    witness = Witness(tmp_path / "witness")
    running = await launcher.launch(shell("exec 9>witness; echo up >&9; exec yes", tmp_path))
    running.go()
    witness.lines(1)
    assert (await running.kill()).signal == signal.SIGKILL
    assert witness.sees_nobody()
    witness.close()
    assert len(await read_all(running)) < 8 * BUFFER_BYTES_MAX


async def test_many_commands_run_at_the_same_time(launcher: Launcher, tmp_path: Path) -> None:
    launches = [shell(f"echo {n}", tmp_path, f"job{n}") for n in range(40)]
    runnings = await asyncio.gather(*(launcher.launch(launch) for launch in launches))
    for running in runnings:
        running.go()
    assert await asyncio.gather(*map(read_all, runnings)) == [b"%d\n" % n for n in range(40)]
    assert {(await running.wait()).exit_code for running in runnings} == {0}


async def test_one_group_runs_one_command_at_a_time(launcher: Launcher, tmp_path: Path) -> None:
    first = await launcher.launch(shell("true", tmp_path))
    with pytest.raises(Refused, match=r"launch\.group_busy"):
        await launcher.launch(shell("true", tmp_path))
    await first.kill()
    again = await launcher.launch(shell("true", tmp_path))
    again.go()
    assert (await again.wait()).exit_code == 0


async def test_an_empty_or_huge_wish_is_refused(launcher: Launcher, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"launch\.argv"):
        await launcher.launch(Launch("job", [], tmp_path, {}))
    with pytest.raises(Refused, match=r"launch\.too_large"):
        await launcher.launch(shell("true", tmp_path, HUGE="x" * 3_000_000))


async def test_an_argument_the_kernel_does_not_take_is_a_sentence(launcher: Launcher, tmp_path: Path) -> None:
    running = await launcher.launch(shell("true", tmp_path, LONG="x" * 200_000))
    running.go()
    assert (await running.wait()).error == "cannot run the command /bin/sh: Argument list too long"
