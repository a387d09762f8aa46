"""How slow a body may come: the protocol over a real socket pair, looked at with a clock of the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from treering_services.gateway.http.connections import Connections
from treering_services.gateway.http.limits import BODY_WINDOW_BYTES, BODY_WINDOW_SECONDS, limits_for
from treering_services.gateway.http.peer import peer_of
from treering_services.gateway.http.protocol import LimitedProtocol

pytestmark = pytest.mark.anyio
HEAD = b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000000\r\n\r\n"
AFTER_A_WINDOW = BODY_WINDOW_SECONDS + 1
WAIT_SECONDS = 10.0


class Reader:
    """An application that reads the body until it is too slow, or all there."""

    def __init__(self) -> None:
        self.slow = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            if peer_of(scope).slow:
                self.slow.set()


@asynccontextmanager
async def upload(reader: Reader) -> AsyncIterator[tuple[LimitedProtocol, socket.socket]]:
    """One connection with the default limits, and the client's end of it."""
    loop, (ours, theirs) = asyncio.get_running_loop(), socket.socketpair()
    config = uvicorn.Config(reader, http=LimitedProtocol, lifespan="off", ws="none", log_config=None)
    connections, state = Connections(limits_for(20_000)), ServerState()
    ours.setblocking(False)
    theirs.setblocking(False)
    _, protocol = await loop.connect_accepted_socket(lambda: LimitedProtocol(connections, config, state, loop), ours)
    try:
        yield protocol, theirs
    finally:
        theirs.close()
        protocol.transport.abort()
        await asyncio.gather(*state.tasks)


async def sent(protocol: LimitedProtocol, client: socket.socket, data: bytes, counted: int) -> None:
    """Send, and wait until the protocol has ``counted`` bytes of the body in its window."""
    await asyncio.get_running_loop().sock_sendall(client, data)
    await until(lambda: protocol.window_bytes >= counted)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not true():  # noqa: ASYNC110 - the parser sets no event
            await asyncio.sleep(0)


async def test_ten_gigabytes_at_a_kilobyte_a_second_are_never_too_slow_and_less_is_at_once() -> None:
    reader = Reader()
    async with upload(reader) as (protocol, client):
        await sent(protocol, client, HEAD, 0)
        await until(lambda: protocol.answering)
        now = protocol.window_at
        for _ in range(50):
            await sent(protocol, client, b"x" * BODY_WINDOW_BYTES, BODY_WINDOW_BYTES)
            now += AFTER_A_WINDOW
            protocol.look(now)
            assert not protocol.peer.slow and not protocol.transport.is_closing()
        await sent(protocol, client, b"x" * (BODY_WINDOW_BYTES - 1), BODY_WINDOW_BYTES - 1)
        protocol.look(now + AFTER_A_WINDOW)
        async with asyncio.timeout(WAIT_SECONDS):
            await reader.slow.wait()


async def test_time_in_which_we_do_not_read_does_not_count() -> None:
    reader = Reader()
    async with upload(reader) as (protocol, client):
        await sent(protocol, client, HEAD + b"x", 1)
        protocol.flow.pause_reading()
        protocol.look(protocol.window_at + 10 * AFTER_A_WINDOW)
        assert not protocol.peer.slow
        protocol.flow.resume_reading()
        protocol.look(protocol.window_at + AFTER_A_WINDOW)
        assert protocol.peer.slow
