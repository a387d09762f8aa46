"""Environments made with the real uv: solved, installed, found again, shared and refused."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from pathlib import Path

import anyio
import pytest
from tests.system.small_disk import small_disk

from treering.adapters import environments as module
from treering.adapters.environments import Environments, remove_abandoned
from treering.adapters.file_lock import file_lock
from treering.adapters.uv import TimedOut, child_environment, run_uv
from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.disk import refusal_of
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio

SMALL = EnvironmentSpec(requirements=("pyjokes",))


def nothing(_: str) -> None:
    pass


async def outcome(*command: str | Path) -> str:
    finished = await anyio.run_process([str(word) for word in command])
    return finished.stdout.decode().strip()


def half_made(root: Path) -> list[Path]:
    return list(root.glob("new-*"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return Environments(tmp_path_factory.mktemp("envs"))


async def test_an_environment_has_what_was_required(shared: Environments) -> None:
    python = await shared.ready(SMALL, nothing)
    assert await outcome(python, "-I", "-c", "import pyjokes, sys; print(sys.prefix)") == str(python.parents[1])


async def test_its_commands_run_where_it_was_moved_to(shared: Environments) -> None:
    python = await shared.ready(SMALL, nothing)
    assert "usage" in await outcome(python.parent / "pyjoke", "--help")


async def test_the_second_time_nothing_is_run(shared: Environments, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await shared.ready(SMALL, nothing)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", None)
    said: list[str] = []
    assert await shared.ready(EnvironmentSpec(requirements=("PyJokes ", "pyjokes")), said.append) == first
    assert said == []


async def test_the_steps_are_said(tmp_path: Path) -> None:
    said: list[str] = []
    await Environments(tmp_path).ready(SMALL, said.append)
    assert said[1:] == ["solving 1 requirement", "installing 1 package"]


async def test_the_lock_has_a_hash_of_every_file_and_no_address(shared: Environments) -> None:
    await shared.ready(SMALL, nothing)
    text = "".join(path.read_text() for path in shared.locks.glob("*.txt"))
    assert "pyjokes==" in text
    assert "--hash=sha256:" in text
    assert "://" not in text


async def test_no_file_of_an_environment_can_be_written(shared: Environments) -> None:
    folder = (await shared.ready(SMALL, nothing)).parents[1]
    paths = [path for path in [folder, *folder.rglob("*")] if not path.is_symlink()]
    assert [path for path in paths if path.stat().st_mode & 0o222] == []


async def test_no_file_of_an_environment_is_shared_with_the_cache(shared: Environments) -> None:
    folder = (await shared.ready(SMALL, nothing)).parents[1]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {path.stat().st_nlink for path in files} == {1}


async def test_an_environment_without_requirements_is_a_bare_python(tmp_path: Path) -> None:
    python = await Environments(tmp_path).ready(EnvironmentSpec(), nothing)
    assert await outcome(python, "-I", "-c", "print('bare')") == "bare"


async def test_what_is_solved_to_the_same_is_the_same_environment_and_not_made_again(tmp_path: Path) -> None:
    said: list[str] = []
    first = await Environments(tmp_path).ready(EnvironmentSpec(), nothing)
    exact = await Environments(tmp_path).ready(EnvironmentSpec(python=f">={platform.python_version()}"), said.append)
    assert exact == first
    assert [line for line in said if not line.startswith("using Python")] == []


async def test_many_who_need_the_same_make_it_once(tmp_path: Path) -> None:
    said: list[str] = []
    made: set[Path] = set()

    async def need(version: str) -> None:
        spec = EnvironmentSpec(python=version, requirements=SMALL.requirements)
        made.add(await Environments(tmp_path).ready(spec, said.append))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(need, "")
    assert len(made) == 1
    assert said.count("installing 1 package") == 1
    assert half_made(tmp_path) == []


PROCESS = """
import asyncio, pathlib, sys
from treering.adapters.environments import Environments
from treering.domain.job_spec import EnvironmentSpec
spec = EnvironmentSpec(requirements=("pyjokes",))
print(asyncio.run(Environments(pathlib.Path(sys.argv[1])).ready(spec, lambda _: None)))
"""


async def test_two_processes_make_the_same_once(tmp_path: Path) -> None:
    made: list[str] = []

    async def need() -> None:
        made.append(await outcome(sys.executable, "-c", PROCESS, tmp_path))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(need)
        tasks.start_soon(need)
    assert made[0] == made[1]
    assert await outcome(made[0], "-I", "-c", "import pyjokes; print('there')") == "there"
    assert half_made(tmp_path) == []


async def test_two_ways_to_ask_for_the_same_share_an_environment(tmp_path: Path) -> None:
    made = Environments(tmp_path)
    first = await made.ready(EnvironmentSpec(python=">=3.8"), nothing)
    assert await made.ready(EnvironmentSpec(), nothing) == first


async def test_an_environment_whose_python_is_gone_is_made_again(tmp_path: Path) -> None:
    made = Environments(tmp_path)
    python = await made.ready(EnvironmentSpec(), nothing)
    module.remove(python.parents[1])
    assert await made.ready(EnvironmentSpec(), nothing) == python
    assert python.exists()


@pytest.mark.parametrize("wanted", [("pyjokes==0.0.0.1",), ("pyjokes<0.7", "pyjokes>0.7"), ("treering-absent-1x",)])
async def test_what_cannot_be_solved_is_refused_with_the_reason(tmp_path: Path, wanted: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match=r"environment\.unsolvable: requirements: No solution found") as refused:
        await Environments(tmp_path).ready(EnvironmentSpec(requirements=wanted), nothing)
    assert wanted[0].split("=")[0].split("<")[0] in refused.value.detail
    assert "://" not in refused.value.detail
    assert half_made(tmp_path) == []


@pytest.mark.parametrize("leave_bytes", [0, 16 * 1024, 64 * 1024])
async def test_a_disk_that_is_full_is_called_that_whichever_program_met_it(tmp_path: Path, leave_bytes: int) -> None:
    with small_disk(tmp_path / "disk") as disk:
        made = Environments(disk.folder / "environments")
        disk.fill(leave_bytes=leave_bytes)
        with pytest.raises((Refused, OSError)) as raised:
            await made.ready(SMALL, nothing)
        said = raised.value if isinstance(raised.value, Refused) else refusal_of(raised.value)
        assert said is not None and said.code == "disk.full"
        assert half_made(made.root) == []
        disk.free()
        assert (await made.ready(SMALL, nothing)).exists()


@pytest.mark.parametrize(
    "wanted", ["--index-url=x", "-e .", "a @ file:///etc", "./folder", "a b", "", "a\n-r /x", "a; extra == '\n-r /x'"]
)
async def test_what_is_no_requirement_is_refused(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(Refused, match=r"environment\.requirement"):
        await Environments(tmp_path).ready(EnvironmentSpec(requirements=(wanted,)), nothing)


async def test_a_python_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=rf"environment\.python_absent.*3\.99.*{platform.python_version()}"):
        await Environments(tmp_path).ready(EnvironmentSpec(python="3.99"), nothing)


@pytest.mark.parametrize("version", ["three", "3.11; rm", "--help", "/bin/python"])
async def test_what_is_no_python_version_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(Refused, match=r"environment\.python_invalid"):
        await Environments(tmp_path).ready(EnvironmentSpec(python=version), nothing)


async def test_a_child_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(TimedOut):
        await run_uv(["python", "list"], tmp_path, 0.0)


async def test_a_lock_that_is_held_too_long_is_refused(tmp_path: Path) -> None:
    async with file_lock(tmp_path / "lock", 1):
        with pytest.raises(Refused, match=r"lock\.busy"):
            async with file_lock(tmp_path / "lock", 0.1):
                pass


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    old, young = tmp_path / "new-old", tmp_path / "new-young"
    (old / "bin").mkdir(parents=True)
    young.mkdir()
    before = time.time() - module.ABANDONED_SECONDS - 60
    os.utime(old, (before, before))
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [young]


def test_settings_of_pip_become_settings_of_uv(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://a.example/simple\nextra-index-url =\n  https://b.example\n  file:///c\n"
    )
    found = child_environment({"PIP_CONFIG_FILE": str(config), "HOME": str(tmp_path), "PIP_FIND_LINKS": "/x /y"})
    assert found["UV_DEFAULT_INDEX"] == "https://a.example/simple"
    assert found["UV_INDEX"] == "https://b.example file:///c"
    assert found["UV_FIND_LINKS"] == "/x,/y"


def test_settings_of_uv_win_over_those_of_pip() -> None:
    found = child_environment({"PIP_INDEX_URL": "https://pip.example", "UV_DEFAULT_INDEX": "https://uv.example"})
    assert found["UV_DEFAULT_INDEX"] == "https://uv.example"


def test_secrets_of_ours_are_not_given_to_the_child() -> None:
    assert "TREERING_TOKEN" not in child_environment({"TREERING_TOKEN": "secret"})
