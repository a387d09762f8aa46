"""Listening asyncio servers that lose no connection when they end.

``asyncio.Server.close`` in the turn of the loop in which a connection was accepted, but has no transport yet, leaves
that connection open with nobody to close it (CPython before 3.13). So here a server first accepts nothing more, and
closes a turn later, when what it has accepted has its transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Accepted = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def stop_listening(server: asyncio.Server) -> None:
    """Accept nothing more, now; the listening sockets are closed in the next turn of the loop. Safe to say twice."""
    loop = server.get_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    loop.call_soon(server.close)


@asynccontextmanager
async def listening(accepted: Accepted, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """The port of a server that gives each connection to ``accepted``; it ends with the block."""
    server = await asyncio.start_server(accepted, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        stop_listening(server)
        await asyncio.sleep(0)
