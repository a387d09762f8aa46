"""What every test of a service may use."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.services.gateway_example import Api, running_gateway

from treering.testing.nats import RunningNats


@pytest.fixture(scope="module")
async def shared_api(shared_nats: RunningNats) -> AsyncIterator[Api]:
    """One for all tests of a module that leave nothing behind, such as those of refusals."""
    async with running_gateway(shared_nats) as running:
        yield running
