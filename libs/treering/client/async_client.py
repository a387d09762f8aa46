"""The client for an event loop: events as they come, and everything else in threads of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from treering.client.events import Event, Since, async_events, watch
from treering.client.http import Client

if TYPE_CHECKING:
    from treering.client.async_publisher import AsyncPublisher


class AsyncClient:
    """As ``Client``; use as ``async with``, or ``close`` it in the end."""

    def __init__(self, url: str = "", token: str = "") -> None:
        self.client = Client(url, token)

    def events(
        self,
        *,
        workspace: str = "",
        kind: str = "",
        name: str = "",
        type: str | list[str] | tuple[str, ...] = "",
        since: Since = None,
        follow: bool = True,
    ) -> AsyncIterator[Event]:
        """As ``Client.events``: ``async for event in client.events(kind="model")``."""
        return async_events(self.client, watch(workspace, kind, name, type, since, follow))

    def publisher(self, workspace: str = "main", *, source: str = "", outbox: Path | None = None) -> AsyncPublisher:
        """As ``Client.publisher``: ``async with client.publisher("main", source="/ci") as publisher``."""
        from treering.client.async_publisher import AsyncPublisher

        return AsyncPublisher(self.client, workspace, source=source, outbox=outbox)

    async def get(self, path: str, **parameters: object) -> Any:
        return await asyncio.to_thread(self.client.get, path, **parameters)

    async def post(self, path: str, body: object) -> Any:
        return await asyncio.to_thread(self.client.post, path, body)

    async def close(self) -> None:
        self.client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.close()
