"""Every event log keeps the contract: the one in memory, and JetStream on one server."""

from __future__ import annotations

import asyncio

import pytest

from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.memory_log import MemoryLog
from treering.kernel.log import EventLog
from treering.testing.log_contract import LogContract, put, take
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
