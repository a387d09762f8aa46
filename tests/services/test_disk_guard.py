"""A job that fills the disk of its node is ended, and no other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from treering.adapters.free_space import MIB, Room
from treering.adapters.launcher import Launch, Launcher
from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.subjects import Address
from treering_services.executor.attempt import Attempt
from treering_services.executor.disk_guard import DiskGuard, taken_bytes

pytestmark = pytest.mark.anyio
SPEC = JobSpec(command="true", environment=EnvironmentSpec())
FULL, ROOMY = (Room(free * MIB, 80 * MIB, 100.0) for free in (1, 2))  # clients need 2 MiB
SECONDS_MAX = 20.0


@pytest.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[Launcher]:
    launcher = Launcher("guard", home=tmp_path / "home")
    await launcher.start()
    yield launcher
    await launcher.close()


async def writing(launcher: Launcher, folder: Path, mebibytes: int) -> Attempt:
    """An attempt whose command has written that much and stays."""
    os.mkdir(folder)
    script = f"head -c {mebibytes}M /dev/urandom > data; echo written; exec sleep 600"
    attempt = Attempt(Address("main", "job", folder.name), 1, SPEC, folder)
    attempt.running = await launcher.launch(Launch(attempt.group, ["/bin/sh", "-c", script], folder, dict(os.environ)))
    attempt.running.go()
    attempt.enter("running")
    async with asyncio.timeout(SECONDS_MAX):
        assert await anext(attempt.running.output()) == b"written\n"
    return attempt


async def test_when_the_disk_is_full_the_job_that_took_most_ends_and_then_the_next(
    launcher: Launcher, tmp_path: Path
) -> None:
    attempts = [await writing(launcher, tmp_path / name, size) for name, size in (("a", 1), ("b", 8), ("c", 3))]
    room = [ROOMY]
    guard = DiskGuard(tmp_path, lambda: attempts, lambda folder: room[0])
    await guard.look()
    assert not [attempt for attempt in attempts if attempt.over]
    room[0] = FULL
    await guard.look()
    assert [attempt.over for attempt in attempts] == [False, True, False]
    failure, running = attempts[1].failure, attempts[1].running
    assert failure is not None and running is not None and (await running.wait()).signal is not None
    await guard.look()  # its folder is still there
    assert not attempts[2].over
    os.rename(tmp_path / "b", tmp_path / "gone")
    await guard.look()
    assert attempts[2].over and not attempts[0].over
    assert failure.code == "disk.full" and "1 MiB left" in failure.message and "(8 MiB)" in failure.message


async def test_a_job_that_took_little_is_not_ended_for_the_disk(launcher: Launcher, tmp_path: Path) -> None:
    attempts = [await writing(launcher, tmp_path / "a", 1)]
    await DiskGuard(tmp_path, lambda: attempts, lambda folder: FULL).look()
    assert not attempts[0].over


def test_what_a_folder_takes_has_no_holes_in_it_and_counts_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    before = taken_bytes(tmp_path)
    with (tmp_path / "deep" / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "data").write_bytes(os.urandom(MIB))
    for number in range(10):
        os.link(tmp_path / "data", tmp_path / "deep" / f"link{number}")
    (tmp_path / "out").symlink_to("/")
    assert MIB <= taken_bytes(tmp_path) - before < 2 * MIB
    assert taken_bytes(tmp_path / "absent") == 0
