"""What every ``Sandbox`` does for a command that is launched in it. A test class inherits this and gives a fixture
``launcher`` with the sandbox, whose home is ``place / "home"``, and ``place``, a folder that the sandbox can use."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from treering.adapters.launcher import Launch, Launcher, Running
from treering.adapters.sandbox.port import Room
from treering.adapters.sandbox.python_paths import python_paths
from treering.domain.job_spec import Network
from treering.kernel.refusal import Refused

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
END_SECONDS_MAX = 30.0
GRACEFUL = "trap 'echo saved; exit 5' TERM; echo up; while :; do sleep 0.05; done"
# The shell ends at once; what it had started takes its time to save what it has.
SLOW = "trap 'sleep 0.3; echo saved; exit' TERM; echo up; while :; do sleep 0.05; done"


def room(place: Path, *, readable: tuple[Path, ...] = (), network: Network = "full", gateway_url: str = "") -> Room:
    """A room with one writable folder, ``place / "job"``; ``place / "home"`` is hidden."""
    for name in ("job", "tmp"):
        (place / name).mkdir(exist_ok=True)
    shown = (*readable, *python_paths(Path(sys.executable)))
    return Room(place / "tmp", (place / "job", place / "tmp"), shown, (place / "home",), network, gateway_url)


async def launched(
    launcher: Launcher, place: Path, script: str, env: Mapping[str, str] = PATH, group: str = "job", **more: object
) -> Running:
    inside = room(place, **more)  # type: ignore[arg-type]
    running = await launcher.launch(Launch(group, ["/bin/bash", "-c", script], place / "job", env, inside))
    running.go()
    return running


async def said(running: Running) -> str:
    async with asyncio.timeout(END_SECONDS_MAX):
        return b"".join([chunk async for chunk in running.output()]).decode()


async def first_line(running: Running) -> str:
    text = b""
    async with asyncio.timeout(END_SECONDS_MAX):
        async for chunk in running.output():
            text += chunk
            if b"\n" in text:
                return text.split(b"\n")[0].decode()
    raise AssertionError(f"the command said nothing but {text!r}")


class SandboxContract:
    async def test_output_exit_code_and_folder_are_as_without(self, launcher: Launcher, place: Path) -> None:
        running = await launched(launcher, place, "echo out; echo err >&2; pwd; exit 7")
        assert await said(running) == f"out\nerr\n{place / 'job'}\n"
        ended = await running.wait()
        assert (ended.exit_code, ended.signal, ended.error) == (7, None, "")

    async def test_a_signal_that_ends_the_command_is_named(self, launcher: Launcher, place: Path) -> None:
        running = await launched(launcher, place, "kill -SEGV $$")
        ended = await running.wait()
        assert (ended.exit_code, ended.signal, ended.error) == (None, signal.SIGSEGV, "")

    async def test_a_command_that_is_not_there_is_said_to_be(self, launcher: Launcher, place: Path) -> None:
        running = await launcher.launch(Launch("job", ["/no/such/command"], place / "job", PATH, room(place)))
        running.go()
        ended = await running.wait()
        assert "cannot run the command /no/such/command" in ended.error
        assert (ended.exit_code, ended.signal) == (None, None)

    async def test_no_descriptor_of_ours_is_open_in_the_command(self, launcher: Launcher, place: Path) -> None:
        running = await launched(launcher, place, "for n in /proc/$$/fd/*; do [ -e $n ] && echo ${n##*/}; done")
        assert (await said(running)).split() == ["0", "1", "2"]

    async def test_output_may_be_opened_by_its_name(self, launcher: Launcher, place: Path) -> None:
        running = await launched(launcher, place, "echo out > /dev/stdout; echo err > /dev/stderr")
        assert await said(running) == "out\nerr\n"

    async def test_variables_arrive_as_they_are_and_no_others(self, launcher: Launcher, place: Path) -> None:
        odd = {**PATH, "ODD": "ä\n--bind / /mnt 'x'", "LD_PRELOAD": "/no/such/library.so"}
        script = "printf %s \"$ODD\"; env -0 | tr '\\0' '\\n' | grep -c ^TREERING"
        running = await launched(launcher, place, script, odd)
        shown = await said(running)  # with what the loader says of the library
        assert odd["ODD"] in shown
        assert shown.splitlines()[-1].endswith("1")  # the mark of the group
        assert (await running.wait()).exit_code == 0

    async def test_a_nul_character_cannot_begin_another_argument(self, launcher: Launcher, place: Path) -> None:
        with pytest.raises(Refused, match=r"launch\.nul"):
            await launched(launcher, place, "true", {**PATH, "A": "b\0--bind\0/\0/mnt"})

    async def test_a_command_may_save_what_it_has_when_it_is_stopped(self, launcher: Launcher, place: Path) -> None:
        running = await launched(launcher, place, GRACEFUL)
        assert await first_line(running) == "up"
        assert (await running.kill(grace_seconds=20.0)).exit_code == 5
        assert "saved" in await said(running)

    async def test_what_the_command_had_started_has_its_grace_too(self, launcher: Launcher, place: Path) -> None:
        (place / "slow.sh").write_text(SLOW)
        readable = (place / "slow.sh",)
        running = await launched(launcher, place, f"bash {readable[0]} & wait; true", readable=readable)
        assert await first_line(running) == "up"
        await running.kill(grace_seconds=20.0)
        assert "saved" in await said(running)

    async def test_nobody_is_left_when_the_command_has_ended(self, launcher: Launcher, place: Path) -> None:
        stay = "exec 9<>held; trap '' TERM HUP; echo up; exec sleep 600"
        script = f'mkfifo held; (setsid sh -c "{stay}" &); read < held'
        running = await launched(launcher, place, script)
        assert await first_line(running) == "up"
        await running.kill()
        with pytest.raises(OSError, match="No such device or address"):  # nobody has it open for reading
            os.open(place / "job" / "held", os.O_WRONLY | os.O_NONBLOCK)

    async def test_the_folder_is_writable_and_inputs_are_not(self, launcher: Launcher, place: Path) -> None:
        (place / "input").mkdir()
        (place / "input" / "data").write_text("given")
        script = f"cat {place}/input/data > copy; chmod u+w {place}/input/data; echo x > {place}/input/data; echo $?"
        running = await launched(launcher, place, script, readable=(place / "input",))
        assert (await said(running)).splitlines()[-1] != "0"
        assert (place / "job" / "copy").read_text() == "given"
        assert (place / "input" / "data").read_text() == "given"

    async def test_the_home_of_the_installation_is_not_seen(self, launcher: Launcher, place: Path) -> None:
        (place / "home").mkdir(mode=0o700, exist_ok=True)
        (place / "home" / "token").write_text("secret")
        running = await launched(launcher, place, f"cat {place}/home/token {place}/home/*; ls {place}/home; true")
        assert "secret" not in await said(running)
