"""Publish events in an event loop: the publisher of publisher.py, whose waiting is done in threads.

async with AsyncClient().publisher("main", source="/ci", outbox=Path("outbox.db")) as publisher:
    await publisher.publish("build.finished", {"ok": True})
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from treering.client.http import Client
from treering.client.publisher import Publisher


class AsyncPublisher:
    """As ``Publisher``, whose options it takes; also what is raised, warned and returned is the same."""

    def __init__(self, client: Client, workspace: str = "main", **options: Any) -> None:
        self.publisher = Publisher(client, workspace, **options)

    @property
    def left(self) -> int:
        return self.publisher.left

    async def publish(self, type: str, data: Any = None, **attributes: Any) -> str:
        """Hand an event over; its id. Waits while too many wait already."""
        return await asyncio.to_thread(self.publisher.publish, type, data, **attributes)

    async def flush(self, timeout_seconds: float | None = None) -> bool:
        return await asyncio.to_thread(self.publisher.flush, timeout_seconds)

    async def close(self, timeout_seconds: float | None = None) -> int:
        """How many events are left in the outbox."""
        return await asyncio.to_thread(self.publisher.close, timeout_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.close()
