"""Environments whose packages are built from source: what the code of a package can reach while it is built."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from packaging.version import Version
from tests.adapters.nosy_package import write_nosy_package

from treering.adapters import confined_uv
from treering.adapters import environments as module
from treering.adapters.confined_uv import room_of, uv_in
from treering.adapters.environment_lock import checked_lock
from treering.adapters.environments import Environments
from treering.adapters.launcher import Launcher
from treering.adapters.process_tree import all_processes, read_environment
from treering.adapters.pythons import Python
from treering.adapters.sandbox.bubblewrap import probed
from treering.adapters.sandbox.machine_view import is_open_to_everybody
from treering.adapters.sandbox.own_user import OwnUser
from treering.adapters.sandbox.port import Room, Sandbox
from treering.adapters.sandbox.unconfined import Refusing, Unconfined
from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.meter import Meter, metered
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 60.0
NOSY = EnvironmentSpec(requirements=("treering-nosy",))
READS = "reads a key"


def nothing(_: str) -> None:
    pass


def bubblewrap(home: Path) -> Sandbox:
    found, why = probed()
    if found is None:
        pytest.skip(f"bubblewrap does not run here: {why}")
    return found


def python_of_everybody() -> Path | None:
    """The Python of these tests, else the system's."""
    paths = [Path(sys.executable), Path("/usr/bin/python3")]
    return next((path for path in paths if is_open_to_everybody(path)), None)


async def found_python(_wanted: str, _folder: Path) -> Python:
    path = python_of_everybody()
    assert path is not None
    said = await anyio.run_process([str(path), "-c", "import platform; print(platform.python_version())"])
    return Python(Version(said.stdout.decode().strip()), path)


def own_user(home: Path) -> Sandbox:
    if os.geteuid() != 0:
        pytest.skip("only root can give a build another user")
    if python_of_everybody() is None:
        pytest.skip("no Python here can be run by all users of the machine")
    return OwnUser(home)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with a key and a blob store, a shared cache, and an index of one folder. Everybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="treering-builds-"))
    folder.chmod(0o755)
    (folder / "home" / "blobs").mkdir(parents=True)
    (folder / "home" / "keys").mkdir(mode=0o700)
    (folder / "home" / "keys" / "signing").write_text("secret")
    (folder / "home" / "keys" / "signing").chmod(0o600)
    (folder / "simple").mkdir()
    index = {"UV_DEFAULT_INDEX": f"file://{folder}/simple", "UV_FIND_LINKS": str(folder / "index")}
    for name, value in (index | {"UV_CACHE_DIR": str(folder / "cache")}).items():
        monkeypatch.setenv(name, value)
    yield folder
    shutil.rmtree(folder)


def tries(place: Path) -> list[tuple[str, str]]:
    writing = [
        (str(path), f"os.makedirs({str(path.parent)!r}, exist_ok=True); open({str(path)!r}, 'w')")
        for path in planted(place)
    ]
    return [(READS, f"open('{place}/home/keys/signing').read()"), *writing]


def planted(place: Path) -> list[Path]:
    """Outside the folders of a build: among blobs, in the cache of all, beside the environments."""
    return [place / "home" / "blobs" / "planted", place / "cache" / "planted", place / "home" / "envs" / "planted"]


@asynccontextmanager
async def environments(place: Path, sandbox: Sandbox) -> AsyncIterator[Environments]:
    home = place / "home"
    launcher = Launcher("builds", home=home, sandbox=sandbox)
    await launcher.start()
    try:
        yield Environments(home / "envs", uv_in(launcher, [home]))
    finally:
        await launcher.close()


async def did(python: Path) -> str:
    finished = await anyio.run_process([str(python), "-I", "-c", "import nosy; print(nosy.did)"], check=False)
    assert finished.returncode == 0, finished.stderr.decode()
    return finished.stdout.decode().strip()


async def test_without_a_sandbox_a_build_does_as_it_likes(place: Path) -> None:
    write_nosy_package(place / "index", tries(place))
    async with environments(place, Unconfined()) as made:
        python = await made.ready(NOSY, nothing)
    assert READS in await did(python)
    assert [path for path in planted(place) if path.exists()] == planted(place)


@pytest.mark.parametrize("sandbox", [bubblewrap, own_user])
async def test_a_build_reads_no_key_and_writes_neither_blobs_nor_the_cache_of_others(
    place: Path, sandbox: Callable[[Path], Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = sandbox(place / "home")
    if isinstance(chosen, OwnUser):
        monkeypatch.setattr(module, "find_python", found_python)
    write_nosy_package(place / "index", tries(place))
    async with environments(place, chosen) as made:
        python = await made.ready(NOSY, nothing)
    assert READS not in await did(python)
    assert [path for path in planted(place) if path.exists()] == []
    files = [path for path in python.parents[1].rglob("*") if not path.is_symlink()]
    assert {path.stat().st_uid for path in files} == {os.geteuid()}
    assert [path for path in files if not path.stat().st_mode & 0o004] == []  # for jobs that are other users


async def test_a_package_that_leads_the_python_elsewhere_makes_no_environment(place: Path) -> None:
    lead = f"""
import glob
for made in glob.glob("{place}/home/envs/new-*/environment/bin/python"):
    os.remove(made)
    os.symlink("{place}/home/keys/bin/python", made)
"""
    write_nosy_package(place / "index", [("leads", lead)])
    async with environments(place, bubblewrap(place)) as made:
        with pytest.raises(Refused, match=r"environment\.install_failed"):
            await made.ready(NOSY, nothing)
    assert list((place / "home" / "envs").glob("new-*")) == []


async def test_where_no_sandbox_runs_nothing_is_built(place: Path) -> None:
    write_nosy_package(place / "index", tries(place))
    async with environments(place, Refusing("no namespaces here")) as made:
        with pytest.raises(Refused, match=r"sandbox\.unavailable"):
            await made.ready(NOSY, nothing)
    assert list((place / "home" / "blobs").iterdir()) == []


async def test_what_foreign_code_could_write_is_not_seen_by_a_run_with_the_shared_cache(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[Room] = []

    def noted(*given: Any) -> Room:
        rooms.append(room_of(*given))
        return rooms[-1]

    monkeypatch.setattr(confined_uv, "room_of", noted)
    write_nosy_package(place / "index", [])
    async with environments(place, bubblewrap(place)) as made:
        await made.ready(NOSY, nothing)
    solve, venv, wheels, _build, _byte_code = (set(room.writable) for room in rooms)
    assert [place / "cache" in room.writable for room in rooms] == [False, False, True, False, False]
    assert solve & (venv | wheels) == set()


async def test_wheels_are_installed_with_the_shared_cache_and_byte_code(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name)
    async with environments(place, bubblewrap(place)) as made:
        python = await made.ready(EnvironmentSpec(requirements=("pyjokes",)), nothing)
    assert list((place / "cache").rglob("pyjokes*"))
    assert list(python.parents[1].rglob("pyjokes/__pycache__/*.pyc"))


async def test_a_build_that_is_cancelled_is_gone_with_all_it_started_and_was_seen_to_write(place: Path) -> None:
    write_nosy_package(
        place / "index",
        [("waits", "import subprocess; subprocess.run(['/bin/sleep', '600'], start_new_session=True, env=os.environ)")],
    )
    meter = Meter()
    async with environments(place, bubblewrap(place)) as made:
        with metered(meter):
            task = asyncio.create_task(made.ready(NOSY, nothing))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not sleepers(place) or not (meter.source and "building treering-nosy==1 for" in str(meter.source)):
                await asyncio.wait({task}, timeout=0.05)
                assert not task.done(), task.exception()
            (build,) = made.builds.under_way.values()
            task.cancel()
            await asyncio.wait({task})
            await asyncio.wait({build.task})  # the build ends behind the one who waited
        assert sleepers(place) == []
        assert list((place / "home" / "envs").glob("new-*")) == []


def sleepers(place: Path) -> list[int]:
    ours = f"HOME={place}".encode()
    return [
        pid
        for pid in all_processes()
        if any(one.startswith(ours) for one in read_environment(pid)) and b"sleep" in command_of(pid)
    ]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    "line", ["--index-url https://evil.example", "-e ./x", "a @ file:///etc", "a>=1", "./x", "a==1 --config-settings=x"]
)
def test_a_lock_with_more_than_exact_versions_and_hashes_is_refused(line: str) -> None:
    good = "a==1 ; python_full_version < '3.9' \\\n    --hash=sha256:00aa \\\n    --hash=sha256:11\nb==2\n"
    assert checked_lock(good) == good
    with pytest.raises(Refused, match=r"environment\.lock_invalid"):
        checked_lock(good + line + "\n")
