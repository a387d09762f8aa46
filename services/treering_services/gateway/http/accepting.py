"""Takes new connections from the listening socket, and goes on when the process has no descriptor left.

Not left to the event loop: it closes a listening socket for good when it cannot accept. Here what waits in the kernel's
queue stays there, idle connections are closed, and a moment later it is tried again.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress

import structlog

from treering.kernel.clock import monotonic_seconds
from treering_services.gateway.http.connections import Connections

ACCEPTED_AT_ONCE = 64  # then others have their turn
PAUSE_SECONDS = 0.02
TOLD_SECONDS = 60.0
ROOM_SHARE = 4  # of the connections: other parts of the process need descriptors as well
GONE = frozenset({errno.ECONNABORTED, errno.EPROTO, errno.EINTR})
log = structlog.get_logger()


class Accepting:
    """Gives each new connection a protocol of ``make``, from ``start`` until ``stop``."""

    def __init__(
        self, listener: socket.socket, connections: Connections, make: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self.listener = listener
        self.connections = connections
        self.make = make
        self.loop = asyncio.get_running_loop()
        self.beginning: set[asyncio.Task[None]] = set()
        self.told_at = -TOLD_SECONDS
        self.again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self.listener.setblocking(False)
        self.loop.add_reader(self.listener, self.accept)

    def stop(self) -> None:
        self.loop.remove_reader(self.listener)
        if self.again is not None:
            self.again.cancel()

    def accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, _ = self.listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in GONE:
                    self.pause(error)
                    return
            else:
                self.begin(accepted)

    def begin(self, accepted: socket.socket) -> None:
        task = self.loop.create_task(self.connect(accepted))
        self.beginning.add(task)
        task.add_done_callback(self.beginning.discard)

    async def connect(self, accepted: socket.socket) -> None:
        try:
            # asyncio does so for connections it accepts itself: with Nagle's algorithm an answer may take 40 ms.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self.loop.connect_accepted_socket(self.make, accepted)
        except OSError:  # gone already, or no memory for it
            with suppress(OSError):
                accepted.close()

    def pause(self, error: OSError) -> None:
        """There is no descriptor, or no memory: make room, and try again soon."""
        closed = self.connections.make_room(ROOM_SHARE)
        now = monotonic_seconds()
        if now - self.told_at >= TOLD_SECONDS:
            self.told_at = now
            log.error("http.accept_failed", why=error.strerror, open=len(self.connections.open), closed=closed)
        self.loop.remove_reader(self.listener)
        self.again = self.loop.call_later(PAUSE_SECONDS, self.start)
