"""What is missing from a home, or may not be written, is said before anything is made in its place."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import call
from tests.system.small_disk import small_disk
from tests.system.test_full_disk import Client
from tests.system.up import refused_up, up

from treering.adapters import doctor_log
from treering.adapters.doctor_store import installation
from treering.adapters.home_faults import faults
from treering.adapters.home_whole import missing_parts
from treering.adapters.nats_staging import batches_of
from treering.adapters.readable_home import fill
from treering.config import Home

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("part", ["blobs", "keys", "copy"])
async def test_a_home_that_has_run_does_not_start_without_a_part(tmp_path: Path, part: str) -> None:
    home = Home(tmp_path / "home")
    home.create()
    shutil.rmtree(home.root / part)
    code, said = await refused_up(home.root)
    assert code == 1 and f"{home.root / part} is gone" in said and not (home.root / part).exists()
    assert any(one.state == "wrong" and str(home.root / part) in one.found for one in installation(home))


async def test_doctor_compares_the_log_of_a_machine_that_lost_its_power(tmp_path: Path) -> None:
    """What the server staged in memory is gone then, and the link to it is left."""
    home = Home(tmp_path / "home")
    async with up(home.root):
        pass
    batches_of(home.nats).symlink_to(tmp_path / "gone")
    assert faults(home, with_log=True) == []  # so it starts
    fill(Home(tmp_path / "scratch"), home, runs=False)  # as for a home that is mounted read-only
    (found,) = await asyncio.to_thread(lambda: [*doctor_log.log(home)])
    assert (found.state, "what their second copies hold" in found.found) == ("ok", True)


async def test_a_new_home_starts_and_a_removed_log_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert missing_parts(home, with_log=True) == []
    async with up(home.root):
        pass
    shutil.rmtree(home.nats)
    code, said = await refused_up(home.root)
    assert code == 1 and f"{home.nats / 'store'} is gone" in said and "treering log restore" in said


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    remount = ["mount", "-o", "remount,ro", str(folder)]
    subprocess.run(remount, check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)


async def test_a_read_only_home_is_called_read_only_and_not_damaged(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64m") as disk:
        home = Home(disk.folder / "home")
        async with up(home.root):
            pass
        with read_only(disk.folder):
            code, said = await refused_up(home.root)
            assert code == 1 and "read-only" in said and "damaged" not in said
            found = list(installation(home))
            assert [one.state for one in found] == ["wrong"] and "read-only" in found[0].found
        async with up(home.root):
            pass


@contextmanager
def seen_read_only(folder: Path, at: Path) -> Iterator[None]:
    """``folder`` also stands ``at`` another place, where nobody can write to it."""
    at.mkdir()
    subprocess.run(["mount", "--bind", str(folder), str(at)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(at)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True)


async def test_a_read_only_home_is_verified_and_backed_up_running_or_not(tmp_path: Path) -> None:
    home, view = Home(tmp_path / "home"), tmp_path / "view"
    async with up(home.root):
        await Client(home.root).until_created("e1")
        with seen_read_only(home.root, view):
            running = [await asyncio.to_thread(call, view, *command) for command in commands(tmp_path / "running")]
        view.rmdir()
    assert [(one.returncode, one.stderr) for one in running] == [(0, ""), (0, "")]
    with seen_read_only(home.root, view):
        stopped = [await asyncio.to_thread(call, view, *command) for command in commands(tmp_path / "stopped")]
        assert [(one.returncode, one.stderr) for one in stopped] == [(0, ""), (0, "")]
        first, last = (json.loads(one[1].stdout)["log"]["positions"] for one in (running, stopped))
        assert 0 < first <= last == json.loads(stopped[0].stdout)["positions"]
        block = next((home.nats / "store").rglob("EVT/msgs/1.blk"))
        data = bytearray(block.read_bytes())
        data[200] ^= 1
        block.write_bytes(data)
        damaged = await asyncio.to_thread(call, view, "log", "verify")
        assert damaged.returncode == 1 and str(view / block.relative_to(home.root)) in damaged.stderr
        (home.copy / "log.db").write_bytes(b"no database" * 1000)
        for command in commands(tmp_path / "none"):
            failed = await asyncio.to_thread(call, view, *command)
            assert failed.returncode == 1 and f"{view}/copy/log.db cannot be read" in failed.stderr


def commands(target: Path) -> list[list[str]]:
    return [["log", "verify", "-o", "json"], ["backup", str(target), "-o", "json"]]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_home_of_another_user_is_named_so(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.root.chmod(0o500)
    code, said = await refused_up(home.root)
    assert code == 1 and "may not be written by this user" in said
