"""What every test may use."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests import hard_limit

from treering.testing.nats import RunningNats, running_nats

SOAK_SECONDS_MAX = 3600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the long versions unless `make soak` asks for them, and then give them time."""
    soaking = os.environ.get("TREERING_SOAK") == "1"
    for item in items:
        if item.get_closest_marker("soak"):
            long = pytest.mark.timeout(SOAK_SECONDS_MAX)
            item.add_marker(long if soaking else pytest.mark.skip(reason="a long version: `make soak` runs it"))


@pytest.hookimpl
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool:
    """In place of pytest-timeout's own timer: it prints the threads, and not the tasks."""
    hard_limit.start(item, settings.timeout)
    return True


@pytest.hookimpl
def pytest_timeout_cancel_timer(item: pytest.Item) -> bool:
    hard_limit.stop(item)
    return True


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def nats_server(anyio_backend: str, tmp_path: Path) -> AsyncIterator[RunningNats]:
    """A real NATS server with its streams, for one test."""
    async with running_nats(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
async def shared_nats(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNats]:
    """One for all tests of a module that leave nothing behind."""
    async with running_nats(tmp_path_factory.mktemp("shared")) as running:
        yield running
