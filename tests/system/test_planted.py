"""The harness is tested too: each planted bug must be caught, by the checker that is there for it.

The schedules are targeted: they bring about the moment in which the bug matters, by events and not by luck.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from tests.system.checks import Violations, judge, judge_processes, processes_of, read_marks
from tests.system.faults import pause, send
from tests.system.installation import LEASE_SECONDS, Installation, Settings, running
from tests.system.planted import (
    CHECKPOINT_OUTSIDE,
    NO_DEDUPE,
    NO_FENCE,
    NO_SWEEP,
    START_BEFORE_CLAIM,
    Bug,
    plant,
)
from tests.system.schedule import repeat
from tests.system.views import judge_views, until
from tests.system.work import COMMANDS, Work

pytestmark = pytest.mark.anyio

ONE_NODE = {"n1": 1}
WAIT_SECONDS = 20.0


async def test_without_a_fence_a_lost_attempt_is_caught_reporting(tmp_path: Path) -> None:
    async with running(tmp_path / "run", planted(NO_FENCE, tmp_path, {"n1": 2, "n2": 2})) as installation:
        await fence_a_running_job(installation)
        assert "I8" in invariants(judge(installation))


async def test_with_the_fence_the_same_schedule_breaks_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "run", Settings()) as installation:
        await fence_a_running_job(installation)
        assert judge(installation) == []


async def test_without_a_sweep_what_a_job_left_is_caught(tmp_path: Path) -> None:
    no_sandbox = {"TREERING_SANDBOX": "none"}  # A sandbox ends all it holds, with a sweep and without.
    async with running(tmp_path / "run", planted(NO_SWEEP, tmp_path, ONE_NODE, no_sandbox)) as installation:
        await submit(installation, "left", "daemon")
        await finished(installation, "left")
        assert "I7" in invariants(await judge_processes(installation))
        end_processes_of(installation, {"left"})  # They would outlive the test: nobody else sweeps here.


async def test_a_checkpoint_outside_its_transaction_is_caught(tmp_path: Path) -> None:
    crash_file = tmp_path / "crash"
    settings = planted(CHECKPOINT_OUTSIDE, tmp_path, ONE_NODE, {"CRASH_FILE": str(crash_file)})
    async with running(tmp_path / "run", settings) as installation:
        await submit(installation, "projected", "quick")
        await finished(installation, "projected")
        assert await judge_views(installation) == []  # Each view has all there is: the next entry meets the bug.
        crash_file.touch()  # Not before: what is projected again from its first commit on comes out right.
        await installation.gateway.update("projected", {"wish": "again"}, "again")
        assert await installation.caught_up()
        assert "I5" in invariants(await judge_views(installation))


async def test_a_command_that_happens_twice_is_caught(tmp_path: Path) -> None:
    async with running(tmp_path / "run", planted(NO_DEDUPE, tmp_path, ONE_NODE)) as installation:
        await submit(installation, "repeated", "quick")
        await repeat(installation, "repeated")
        await finished(installation, "repeated")
        assert "I1" in invariants(judge(installation))


async def test_a_command_that_goes_before_its_claim_is_caught(tmp_path: Path) -> None:
    async with running(tmp_path / "run", planted(START_BEFORE_CLAIM, tmp_path, ONE_NODE)) as installation:
        await start_without_registry(installation)
        assert "I3" in invariants(judge(installation))


async def test_a_command_does_not_run_while_its_claim_is_unanswered(tmp_path: Path) -> None:
    async with running(tmp_path / "run", Settings(nodes=ONE_NODE)) as installation:
        await start_without_registry(installation)
        assert judge(installation) == []


async def fence_a_running_job(installation: Installation) -> None:
    """Stop the executor of a running job for longer than its lease; go on when everything is over."""
    await submit(installation, "fenced", "beats")
    history = installation.history
    assert await history.until(lambda: history.status("fenced") == "Running", WAIT_SECONDS)
    node = history.jobs["fenced"].node
    await pause(installation, node, 2 * LEASE_SECONDS)
    await finished(installation, "fenced")
    await installation.caught_up()


async def start_without_registry(installation: Installation) -> None:
    """The second job waits on its node for the slot of the first; the registry stops before it can be claimed."""
    history = installation.history
    await submit(installation, "first", "quick", seconds="1.0")
    assert await history.until(lambda: history.status("first") == "Running", WAIT_SECONDS)
    await submit(installation, "second", "quick")
    assert await history.until(lambda: history.status("second") == "Preparing", WAIT_SECONDS)
    send(installation, "registry", signal.SIGSTOP)
    # When the first job's slot is free and the second has had time, its node dies, and with it every claim.
    await until(lambda: any(mark.job == "second" for mark in read_marks(installation.marks)), 1.0 + LEASE_SECONDS)
    send(installation, "n1", signal.SIGKILL)
    send(installation, "registry", signal.SIGKILL)
    await finished(installation, "second")
    await installation.caught_up()


def planted(bug: Bug, tmp_path: Path, nodes: dict[str, int], variables: dict[str, str] | None = None) -> Settings:
    return Settings(nodes=nodes, sources=plant(bug, tmp_path / "planted"), variables=variables or {})


async def submit(installation: Installation, name: str, kind: str, seconds: str = "0.1") -> None:
    command = COMMANDS[kind].replace("{seconds}", seconds).replace("{count}", "60")
    await installation.gateway.submit(name, Work(name, kind, command).spec(installation.marks))


async def finished(installation: Installation, job: str) -> None:
    assert await installation.history.until(lambda: installation.history.all_terminal([job]), WAIT_SECONDS), job


def end_processes_of(installation: Installation, jobs: set[str]) -> None:
    for pid, _, _ in processes_of(installation, jobs):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def invariants(violations: Violations) -> set[str]:
    return {violation.partition(":")[0] for violation in violations}
