"""Servers that end while connections come."""

from __future__ import annotations

import asyncio
import socket

import pytest
from anyio.lowlevel import checkpoint

from treering.kernel.listening import listening

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 20.0


async def test_a_connection_accepted_in_the_turn_in_which_its_server_ends_is_handed_over() -> None:
    # Given a server
    handed_over = asyncio.Event()

    async def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        handed_over.set()

    with socket.socket() as client:
        async with listening(accepted) as port:
            # When it ends after it has accepted a connection, and before that has a transport,
            client.connect(("127.0.0.1", port))
            await checkpoint()
            await checkpoint()
        # then somebody has the connection, to close it.
        async with asyncio.timeout(PATIENCE_SECONDS):
            await handed_over.wait()


async def test_an_ended_server_accepts_nothing_more() -> None:
    async def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with listening(accepted) as port:
        pass
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", port))
