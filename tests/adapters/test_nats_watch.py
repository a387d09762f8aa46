"""A nats-server that lives and does nothing is started again: one that was stopped, one whose disk was full."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from treering.adapters import appender, nats_watch, stalls
from treering.adapters.appender import Appender
from treering.adapters.free_space import room_in
from treering.adapters.nats_watch import stuck
from treering.config import Home
from treering.kernel.log import LogUnavailable
from treering.testing.nats import RunningNats, running_nats
from treering_services import up

pytestmark = pytest.mark.anyio
WAIT_SECONDS = 60.0
BODY = bytes(8192)  # more than what a page of a full disk may have left


@asynccontextmanager
async def watched(nats: RunningNats, monkeypatch: pytest.MonkeyPatch, patience_seconds: float) -> AsyncIterator[None]:
    """The server under the supervision that ``up`` gives it, which loses its patience sooner."""

    async def soon(server: Any) -> str:
        return await stuck(server, patience_seconds=patience_seconds)

    monkeypatch.setattr(up, "stuck", soon)
    monkeypatch.setattr(nats_watch, "PROBE_SECONDS", min(patience_seconds, 5.0))
    home = Home(nats.home)
    home.create()
    watching = asyncio.create_task(up.watched(nats.server, home, lambda: None))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def appended(log: Appender, number: int) -> int:
    """The position, tried again until the log answers."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                return (await log.append(f"evt.w.job.j{number}", BODY, id=f"id-{number}", expected=0)).position
            except LogUnavailable:
                await asyncio.sleep(0)


async def test_a_server_that_lets_nobody_in_is_started_again(
    nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Appender(await nats_server.connect("registry"))
    first = await appended(log, 1)
    process = nats_server.server.process
    assert process is not None
    async with watched(nats_server, monkeypatch, 1.0):
        os.kill(process.pid, signal.SIGSTOP)
        assert await asyncio.wait_for(process.wait(), WAIT_SECONDS) == -signal.SIGKILL
        assert await appended(log, 2) == first + 1


async def test_a_server_that_is_stopped_for_a_moment_is_left_alone(
    nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Appender(await nats_server.connect("registry"))
    process = nats_server.server.process
    assert process is not None
    async with watched(nats_server, monkeypatch, 30.0):
        os.kill(process.pid, signal.SIGSTOP)
        async with asyncio.timeout(WAIT_SECONDS):
            while await nats_server.server.lets_in(0.5):  # the signal takes its time to arrive
                pass
        os.kill(process.pid, signal.SIGCONT)
        assert await appended(log, 1) and process.returncode is None
        assert await nats_server.server.lets_in(WAIT_SECONDS)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("a small disk is played by a tmpfs, which may not be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def test_a_server_whose_disk_was_full_is_started_again_when_there_is_room_and_not_before(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(stalls, "STALL_SECONDS", 0.6)
    monkeypatch.setattr(nats_watch, "ROOM_SECONDS", 0.1)
    looked = asyncio.Event()

    def room(folder: Path) -> Any:
        looked.set()
        return room_in(folder)

    monkeypatch.setattr(nats_watch, "room_in", room)
    async with running_nats(small_disk, store_bytes_max=10**9) as nats:
        log, process = Appender(await nats.connect("registry")), nats.server.process
        assert process is not None and await appended(log, 1)
        async with watched(nats, monkeypatch, 30.0):
            full = small_disk / "full"
            with full.open("wb", buffering=0) as file:
                while room_in(small_disk).free_bytes:
                    file.write(bytes(min(65536, room_in(small_disk).free_bytes)))
            waiting = asyncio.create_task(appended(log, 2))
            await asyncio.wait_for(looked.wait(), WAIT_SECONDS)  # it was told, and looks for room
            assert process.returncode is None and not waiting.done()
            full.unlink()
            assert await asyncio.wait_for(process.wait(), WAIT_SECONDS) == -signal.SIGKILL
            assert await waiting == 2


async def test_a_look_that_fails_says_nothing_of_the_server() -> None:
    # Given a look at the store that fails twice for want of a descriptor, and then sees room,
    looks = iter([OSError(errno.EMFILE, "Too many open files"), OSError(errno.EIO, "Input/output error"), True])

    def look() -> bool:
        seen = next(looks)
        if isinstance(seen, OSError):
            raise seen
        return bool(seen)

    # when it is waited for, then it is looked again until it is seen.
    async with asyncio.timeout(WAIT_SECONDS):
        await nats_watch.until_seen(look, 0.0)
    assert next(looks, None) is None
