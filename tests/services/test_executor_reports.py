"""An attempt ends reported, whatever goes wrong around it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from treering.adapters.bus import Commands, Responder, answered
from treering.domain.job_messages import CompleteJob
from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.command import Answer, CommandMessage, Written
from treering.kernel.decoding import decode
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering_services.executor import leaving, steps
from treering_services.executor.attempt import Attempt
from treering_services.executor.runner import Runner

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 10.0


class Registry:
    """Takes the commands of executors; the first one breaks it."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def answer(self, subject: str, body: bytes) -> bytes:
        self.asked.append(body)
        if len(self.asked) == 1:
            raise ZeroDivisionError
        return answered(Answer(Written(7, 3)))


async def listening(nats_server: RunningNats) -> tuple[Registry, Runner]:
    registry = Registry()
    await Responder(await nats_server.connect("registry"), "cmd.executor.job", registry.answer).start()
    unused, slots = cast(Any, None), asyncio.Semaphore(1)
    commands = Commands(await nats_server.connect("executor"), "executor")
    absent = Path("/absent")
    node = Runner(
        "n1", commands, unused, unused, unused, slots, absent, absent, lambda: "", lambda attempt: "", room=unused
    )
    return registry, node


def attempt(folder: Path) -> Attempt:
    return Attempt(Address("main", "job", "j"), 1, JobSpec(command="true", environment=EnvironmentSpec()), folder)


async def test_a_report_that_the_registry_fails_on_is_said_again(nats_server: RunningNats, tmp_path: Path) -> None:
    registry, node = await listening(nats_server)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await node.reporter.say(attempt(tmp_path), CompleteJob(1, "n1"))
    first, second = [decode(asked, CommandMessage) for asked in registry.asked]
    assert (second.context.command_id, second.command) == (first.context.command_id, first.command)


async def test_an_attempt_that_cannot_be_ended_properly_is_reported_all_the_same(
    nats_server: RunningNats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(leaving, "store_logs", broken)
    registry, node = await listening(nats_server)
    canceled = attempt(tmp_path / "j")
    canceled.cancel_requested.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await node.carry_out(canceled)
    assert b'"confirm_cancel"' in registry.asked[-1]
    assert canceled.failure is None and "Input/output error" in canceled.lost


async def test_an_attempt_that_the_executor_failed_on_is_lost_and_not_failed(
    nats_server: RunningNats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(steps, "inputs", broken)
    registry, node = await listening(nats_server)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await node.carry_out(attempt(tmp_path / "j"))
    assert b'"lose_attempt"' in registry.asked[-1]
