"""``treering up`` ends in time when it is told to, whatever it was doing and whatever state its nats-server is in."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from tests.system.test_up_death import running_below
from tests.system.up import launched
from tests.system.views import until

from treering_services.stopping import STOP_SECONDS_MAX

pytestmark = pytest.mark.anyio
MOMENT_SECONDS_MAX = 4.0  # a start takes about one, on a busy machine two
GONE_SECONDS = 10.0
STATES = ("runs", "stopped", "killed")


async def stop_at_some_moment(home: Path, chance: random.Random) -> None:
    """Start ``up``, do something to its nats-server at some moment, tell it to stop; AssertionError when it is late."""
    state, moment_seconds = chance.choice(STATES), chance.uniform(0.0, MOMENT_SECONDS_MAX)
    process = await launched(home)
    reading = asyncio.create_task(process.communicate())
    done, _ = await asyncio.wait({reading}, timeout=moment_seconds)
    assert not done, reading.result()
    pid = server_pid(home)
    if pid and state != "runs":
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP if state == "stopped" else signal.SIGKILL)
    process.terminate()
    done, _ = await asyncio.wait({reading}, timeout=STOP_SECONDS_MAX)
    what = f"nats-server {state}, told to stop after {moment_seconds:.2f} s"
    if not done:
        process.kill()
    said = b"".join(await reading).decode()
    assert done, f"{what}: not gone after {STOP_SECONDS_MAX:g} s; it said:\n{said}"
    assert "was cut off" not in said and "Traceback" not in said, f"{what}:\n{said}"
    assert await until(lambda: not running_below(home), GONE_SECONDS), f"{what}: left {running_below(home)}"


def server_pid(home: Path) -> int:
    with suppress(OSError, ValueError):
        return int((home / "nats" / "nats.pid").read_text())
    return 0


@pytest.mark.parametrize("seed", range(6))
async def test_up_ends_in_time_at_any_moment_and_leaves_no_process(tmp_path: Path, seed: int) -> None:
    await stop_at_some_moment(tmp_path / "home", random.Random(seed))


@pytest.mark.soak
async def test_a_hundred_stops_of_one_home_are_all_in_time(tmp_path: Path) -> None:
    for seed in range(100):
        await stop_at_some_moment(tmp_path / "home", random.Random(seed))
