"""A service that was stopped has ended all that it had begun: nothing goes on behind its back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.services.gateway_example import Api, running_gateway

from treering.kernel.service import Service
from treering.testing.nats import RunningNats
from treering_services.base import ServiceBase
from treering_services.executor import service as executor
from treering_services.executor.node import NodeSettings
from treering_services.gateway import service as gateway
from treering_services.monitor import service as monitor
from treering_services.notifier import service as notifier
from treering_services.registry import service as registry
from treering_services.scheduler import service as scheduler

pytestmark = pytest.mark.anyio
Run = Callable[[ServiceBase, Api, Callable[[], None]], Awaitable[None]]
NODE = NodeSettings("n1", workspace="w", sandbox="none")
RUNS: dict[str, Run] = {
    "registry": lambda base, api, started: registry.run(base, api.reader, started),
    "gateway": lambda base, api, started: gateway.run(base, api.reader, started, host="127.0.0.1", port=0, auth=True),
    "scheduler": lambda base, api, started: scheduler.run(base, api.reader, started),
    "monitor": lambda base, api, started: monitor.run(base, started),
    "notifier": lambda base, api, started: notifier.run(base, api.reader, started),
    "executor": lambda base, api, started: executor.run(base, started, NODE),
}


@pytest.fixture(scope="module")
async def api(shared_nats: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(shared_nats) as running:
        yield running


@pytest.mark.parametrize("name", RUNS)
async def test_a_stopped_service_leaves_no_task_behind(api: Api, name: str) -> None:
    before = asyncio.all_tasks()
    service = Service(name, lambda started: RUNS[name](ServiceBase(api.home, api.nats.urls), api, started))
    await service.start()
    begun = asyncio.all_tasks() - before
    await service.stop()
    assert begun and not [task for task in begun if not task.done()]
