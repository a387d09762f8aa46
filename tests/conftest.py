"""What every test may use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from treering.testing.nats import RunningNats, running_nats


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def nats_server(anyio_backend: str, tmp_path: Path) -> AsyncIterator[RunningNats]:
    """A real NATS server with its streams, for one test."""
    async with running_nats(tmp_path) as running:
        yield running
