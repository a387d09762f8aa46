"""What ends a job is put down to its cause, seen from outside, on real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.installation import Installation, Settings, running
from tests.system.work import MARK

from treering.domain.job import TERMINAL, Job

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 30.0
FIRST_ATTEMPT_STAYS = MARK + 'if [ "$a" = 1 ]; then sleep 300; fi'


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with running(tmp_path, Settings(nodes={"n1": 1}, lease_seconds=10.0)) as installation:
        yield installation


def spec(command: str) -> dict[str, Any]:
    return {"command": command, "environment": {}}


async def at_status(installation: Installation, name: str, *statuses: str) -> Job:
    history = installation.history
    assert await history.until(lambda: history.status(name) in statuses, PATIENCE_SECONDS), installation.log_tails()
    return history.jobs[name]


async def test_a_job_whose_spawner_was_killed_is_lost_and_completes_in_another_attempt(
    installation: Installation,
) -> None:
    await installation.gateway.submit("j", spec(FIRST_ATTEMPT_STAYS))
    await at_status(installation, "j", "Running")
    os.kill(installation.spawner_pid("n1"), signal.SIGKILL)
    job = await at_status(installation, "j", *TERMINAL)
    assert (job.status, job.attempt) == ("Completed", 2), installation.history.story(["j"])
    assert any("job.lost" in line for line in installation.history.story(["j"]))


async def test_a_job_that_kills_itself_has_failed_by_that_signal(installation: Installation) -> None:
    await installation.gateway.submit("j", spec("kill -9 $$"))
    job = await at_status(installation, "j", *TERMINAL)
    assert (job.status, job.code, job.attempt) == ("Failed", "signal", 1)
