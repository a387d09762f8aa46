"""``treering up`` and the files and sockets it may open: it takes all there are, goes on without any, and gives jobs
the limit it was started with."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from tests.system.http_client import JOBS, Gateway
from tests.system.up import up
from tests.system.views import until
from tests.system.work import Work

from treering.config import Home

pytestmark = pytest.mark.anyio
WAIT_SECONDS = 30.0
SOFT = 777
IDLE = 300
NONE = -1


@contextmanager
def descriptors_left(pid: int, count: int) -> Iterator[None]:
    """Inside the block the process may open ``count`` more files than it has open; with NONE also none in place of
    one that it closes."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    most = 0 if count == NONE else len(os.listdir(f"/proc/{pid}/fd")) + count
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def child_of(pid: int, word: str) -> psutil.Process:
    """The child of ``pid`` that has ``word`` in its command line."""
    return next(child for child in psutil.Process(pid).children() if word in " ".join(child.cmdline()))


def answers(gateway: Gateway, path: str = "/v1/status") -> bool:
    return bool(gateway.get_once(path).get("nats"))


async def said(process: asyncio.subprocess.Process, event: str) -> None:
    """Wait until the process logs ``event``."""
    assert process.stderr is not None
    async with asyncio.timeout(WAIT_SECONDS):
        while event.encode() not in (line := await process.stderr.readline()):
            assert line, f"it ended and did not say {event}"


async def test_up_without_a_descriptor_left_goes_on_and_serves_again_afterwards(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    gateway = Gateway(home, [])
    async with up(home.root) as process:
        # Given clients that take all descriptors there are,
        with descriptors_left(process.pid, 6):
            idle = [await asyncio.open_connection(*gateway.address()) for _ in range(IDLE)]
            # then one that works is answered;
            assert await until(lambda: answers(gateway), WAIT_SECONDS)
        # and when nats-server and executor end while there are none at all,
        with descriptors_left(process.pid, NONE):
            for child in [child_of(process.pid, word) for word in ("nats-server", "executor")]:
                child.kill()
            await said(process, "descriptors.none_left")
        # then both are started when there are some, and everything is served.
        assert await until(lambda: gateway.get_once("/readyz").get("status") == "ok", WAIT_SECONDS)
        submitted = await gateway.submit("j", Work("j", "j", "true").spec(tmp_path / "marks"))
        assert submitted.status == 201 and process.returncode is None
        assert await until(lambda: gateway.get_once(f"{JOBS}/j").get("status") == "Completed", WAIT_SECONDS)
        for _, writer in idle:
            writer.close()


async def test_up_takes_the_hard_limit_and_a_job_has_the_soft_limit_it_was_started_with(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    gateway = Gateway(home, [])
    async with up(home.root, soft_descriptors=SOFT) as process:
        children = [child_of(process.pid, word).pid for word in ("nats-server", "executor")]
        for pid in (process.pid, *children):
            soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            assert soft == hard > SOFT
        await gateway.submit("j", Work("j", "j", "ulimit -Sn; ulimit -Hn").spec(tmp_path / "marks"))
        assert await until(lambda: gateway.get_once(f"{JOBS}/j").get("status") == "Completed", WAIT_SECONDS)
        assert console(gateway, "j").split() == [str(SOFT), str(hard)]


def console(gateway: Gateway, job: str) -> str:
    with closing(gateway.connection(WAIT_SECONDS)) as connection:
        connection.request("GET", f"{JOBS}/{job}/logs", headers=gateway.headers("get"))
        return connection.getresponse().read().decode()
