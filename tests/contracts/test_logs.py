"""Every event log keeps the contract: the one in memory, and JetStream on one server."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.memory_log import MemoryLog
from treering.kernel.log import EventLog, LogUnavailable
from treering.testing.log_contract import LogContract, body, put, take
from treering.testing.nats import RunningNats


class TestMemoryLog(LogContract):
    @pytest.fixture
    def log(self) -> EventLog:
        return MemoryLog()


class TestJetStreamLog(LogContract):
    @pytest.fixture
    async def log(self, nats_server: RunningNats) -> EventLog:
        return JetStreamLog(await nats_server.connect("registry"))


class TestJetStreamLogWithoutGroupCommit(LogContract):
    @pytest.fixture
    async def log(self, nats_server: RunningNats) -> EventLog:
        return JetStreamLog(await nats_server.connect("registry"), group=False)


@pytest.mark.anyio
async def test_following_goes_on_across_a_restart_of_the_server(nats_server: RunningNats) -> None:
    log = JetStreamLog(await nats_server.connect("registry"))
    last = await put(log, "a")
    following = asyncio.create_task(take(log, 2))
    await nats_server.server.stop()
    await nats_server.server.start()
    await put(JetStreamLog(await nats_server.connect("registry")), "b", expected=last)
    assert [entry.commit().id for entry in await following] == ["a", "b"]


@pytest.mark.anyio
async def test_an_append_that_cannot_be_sent_fails_and_holds_up_nobody(nats_server: RunningNats) -> None:
    log = JetStreamLog(await nats_server.connect("registry"))
    no_text = cast(str, 7)  # it breaks the client where none of its own errors comes from
    async with asyncio.timeout(10):
        with pytest.raises(LogUnavailable, match="the append failed"):
            await log.append("evt.main.job.j1", body("x"), id=no_text, expected=0)
        await put(log, "a")
