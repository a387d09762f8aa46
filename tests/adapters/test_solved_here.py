"""An environment is solved for the machine and the Python that it is used on, and a lock that fails is not kept."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from tests.adapters.local_wheels import write_wheel

from treering.adapters.environments import Environments
from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio
ELSEWHERE = ("cp311-cp311-win_amd64", "cp311-cp311-macosx_11_0_arm64", "cp39-cp39-any")


def nothing(_: str) -> None:
    pass


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only index: a folder."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return folder


async def versions(python: Path, *names: str) -> list[str]:
    script = f"import {', '.join(names)}; print({', '.join(f'{name}.VERSION' for name in names)})"
    return (await anyio.run_process([str(python), "-I", "-c", script])).stdout.decode().split()


@pytest.mark.parametrize("tag", ELSEWHERE)
async def test_a_version_that_has_files_for_other_machines_only_is_not_chosen(
    wheels: Path, tmp_path: Path, tag: str
) -> None:
    write_wheel(wheels, "treering_split", "1.0")
    write_wheel(wheels, "treering_split", "2.0", tag)
    write_wheel(wheels, "treering_needs", "1.0", needs=("treering_split",))
    spec = EnvironmentSpec(requirements=("treering-needs",))
    python = await Environments(tmp_path / "envs").ready(spec, nothing)
    assert await versions(python, "treering_needs", "treering_split") == ["1.0", "1.0"]


@pytest.mark.parametrize("tag", ELSEWHERE)
async def test_a_package_without_a_file_for_this_machine_is_refused_with_what_there_is(
    wheels: Path, tmp_path: Path, tag: str
) -> None:
    write_wheel(wheels, "treering_split", "2.0", tag)
    made = Environments(tmp_path / "envs")
    with pytest.raises(Refused, match=r"environment\.unsolvable: .*no wheels with a matching.*hint: ") as refused:
        await made.ready(EnvironmentSpec(requirements=("treering-split",)), nothing)
    assert any(part in refused.value.detail for part in tag.split("-"))


async def test_a_lock_that_cannot_be_installed_is_solved_again_the_next_time(wheels: Path, tmp_path: Path) -> None:
    write_wheel(wheels, "treering_split", "1.0")
    made, spec = Environments(tmp_path / "envs"), EnvironmentSpec(requirements=("treering-split",))
    python = await made.ready(spec, nothing)
    (lock,) = made.locks.glob("*.txt")
    lock.write_text(lock.read_text().replace("==1.0", "==2.0"))
    with pytest.raises(Refused, match=r"environment\.unsolvable: .*treering-split==2\.0"):
        await made.ready(spec, nothing)
    assert await made.ready(spec, nothing) == python


async def test_an_index_that_does_not_answer_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(Refused, match=r"environment\.index_unreachable: .*Connection refused") as refused:
        await Environments(tmp_path / "envs").ready(EnvironmentSpec(requirements=("treering-split",)), nothing)
    assert "127.0.0.1" not in refused.value.detail


async def test_a_constraint_chooses_the_version_of_what_something_else_requires(wheels: Path, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        write_wheel(wheels, "treering_split", version)
    write_wheel(wheels, "treering_needs", "1.0", needs=("treering_split",))
    made, wanted = Environments(tmp_path / "envs"), ("treering-needs",)
    free = await made.ready(EnvironmentSpec(requirements=wanted), nothing)
    held = await made.ready(EnvironmentSpec(requirements=wanted, constraints=("treering-split<2", "absent>1")), nothing)
    assert [*await versions(free, "treering_split"), *await versions(held, "treering_split")] == ["2.0", "1.0"]
