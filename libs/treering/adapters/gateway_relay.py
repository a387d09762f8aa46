"""Relays connections from a job's private network to the gateway: the executor's side of ``private_network``."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from treering.kernel.ending import run_together
from treering.kernel.listening import stop_listening
from treering.kernel.refusal import Refused

LISTENER_SECONDS_MAX = 20.0
CHUNK_BYTES = 64 * 1024
CONNECTIONS_MAX = 200


def address_of(gateway_url: str) -> tuple[str, int]:
    """Address and port at which a job expects the gateway; ("", 0) when nobody knows where it is.

    ``Refused`` ``sandbox.network`` for a name: in a network without a name server it would lead nowhere.
    """
    if not gateway_url:
        return "", 0
    parts = urlsplit(gateway_url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        message = f"network: none needs the gateway at an IP address, but its address is {gateway_url[:200]}"
        raise Refused("sandbox.network", message) from None
    return host, parts.port or 80


class GatewayRelay:
    """Accepts inside, connects outside. One per job with ``network: none``."""

    def __init__(self, gateway: tuple[str, int]) -> None:
        self.gateway = gateway
        self.ours, self.theirs = socket.socketpair()
        self.server: asyncio.Server | None = None
        self.pumps: set[asyncio.Task[None]] = set()
        self.free = asyncio.Semaphore(CONNECTIONS_MAX)

    async def open(self) -> None:
        """Take the listening socket that the job's process made. OSError or TimeoutError when it sends none."""
        self.theirs.close()
        self.ours.settimeout(LISTENER_SECONDS_MAX)
        _, fds, _, _ = await asyncio.to_thread(socket.recv_fds, self.ours, 1, 1)
        self.ours.close()
        if fds:
            listening = socket.socket(fileno=fds[0])
            self.server = await asyncio.start_server(self.accepted, sock=listening)
        elif self.gateway[1]:
            raise OSError("the network of the command could not be made")

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.pumps.add(task)
        task.add_done_callback(self.pumps.discard)
        try:
            async with self.free:
                to_reader, to_writer = await asyncio.open_connection(*self.gateway)
                try:
                    await run_together(pump(reader, to_writer), pump(to_reader, writer))
                finally:
                    to_writer.close()
        except OSError:
            return  # The gateway is away just now: the job sees its connection end, as it would without a relay.
        finally:
            writer.close()

    def close(self) -> None:
        """The job has ended. Safe to say twice."""
        self.ours.close()
        self.theirs.close()
        if self.server is not None:
            stop_listening(self.server)
        for task in self.pumps:
            task.cancel()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of one direction, then say that it has ended; the other direction may go on."""
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    with suppress(OSError, NotImplementedError):
        writer.write_eof()
