"""A finished environment stays as it was made: for a user without root's rights, and against one who has them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from treering.adapters.environments import Environments, publish, remove
from treering.adapters.seals import SEAL, intact, seal
from treering.domain.job_spec import EnvironmentSpec

pytestmark = pytest.mark.anyio

SPEC = EnvironmentSpec()


def nothing(_: str) -> None:
    pass


def made(root: Path) -> Path:
    folder = root / "new" / "environment"
    (folder / "lib" / "deep").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_text("python")
    (folder / "lib" / "deep" / "module.py").write_text("VALUE = 1\n")
    (folder / "lib64").symlink_to("lib")
    return folder


def test_an_ordinary_user_can_publish_and_then_change_nothing(as_nobody: Path) -> None:
    place = as_nobody / "key"
    publish(made(as_nobody), place)
    for path in (place / "new", place / "lib" / "deep" / "new", place / "lib" / "deep" / "module.py"):
        with pytest.raises(PermissionError):
            path.write_text("changed")
    assert intact(place)


def test_an_ordinary_user_can_replace_and_remove_what_was_changed(as_nobody: Path) -> None:
    place = as_nobody / "key"
    publish(made(as_nobody), place)
    place.chmod(0o755)
    (place / "new").write_text("changed")
    place.chmod(0o555)
    shutil.rmtree(as_nobody / "new")
    publish(made(as_nobody), place)
    assert intact(place)
    remove(place)
    assert not place.exists()


CHANGES: dict[str, Callable[[Path], object]] = {
    "a new file": lambda folder: (folder / "lib" / "other.py").touch(),
    "a new folder": lambda folder: (folder / "lib" / "package").mkdir(),
    "a file removed": lambda folder: (folder / "lib" / "deep" / "module.py").unlink(),
    "other content": lambda folder: (folder / "lib" / "deep" / "module.py").write_text("VALUE = 2\n"),
    "another mode": lambda folder: (folder / "bin" / "python").chmod(0o777),
    "another link": lambda folder: (folder / "lib32").symlink_to("lib"),
    "no seal": lambda folder: (folder / "treering.seal").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_breaks_the_seal(tmp_path: Path, change: str) -> None:
    folder = made(tmp_path)
    seal(folder)
    assert intact(folder)
    CHANGES[change](folder)
    assert not intact(folder)


def test_a_file_whose_time_was_set_back_breaks_the_seal(tmp_path: Path) -> None:
    folder = made(tmp_path)
    seal(folder)
    file = folder / "lib" / "deep" / "module.py"
    before = file.stat()
    file.write_text("VALUE = 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not intact(folder)


def test_byte_code_and_a_move_do_not_break_the_seal(tmp_path: Path) -> None:
    folder = made(tmp_path)
    seal(folder)
    (folder / "lib" / "__pycache__").mkdir()
    (folder / "lib" / "__pycache__" / "module.pyc").touch()
    assert intact(folder.rename(tmp_path / "key"))


async def test_what_a_job_of_root_changed_is_made_again_for_the_next(tmp_path: Path) -> None:
    environments = Environments(tmp_path)
    python = await environments.ready(SPEC, nothing)
    folder = python.parents[1]
    folder.chmod(0o755)
    (folder / "left-by-a-job").touch()
    said: list[str] = []
    assert await environments.ready(SPEC, said.append) == python
    assert not (folder / "left-by-a-job").exists()
    assert "the environment was changed since it was made; making it again" in said
    assert intact(folder)


async def test_an_environment_that_was_used_is_found_again(tmp_path: Path) -> None:
    environments = Environments(tmp_path)
    python = await environments.ready(SPEC, nothing)
    before = (python.parents[1] / "treering.seal").stat().st_mtime_ns
    await anyio.run_process([str(python), "-c", "import site"], env={})
    assert await environments.ready(SPEC, nothing) == python
    assert (python.parents[1] / "treering.seal").stat().st_mtime_ns == before


def test_a_link_in_the_place_of_the_seal_is_not_written_through(tmp_path: Path) -> None:
    key, folder = tmp_path / "key", tmp_path / "environment"
    key.write_text("secret")
    folder.mkdir()
    (folder / SEAL).symlink_to(key)
    seal(folder)
    assert key.read_text() == "secret"
    assert intact(folder)
