"""The gateway as a service: its NATS user, its HTTP server in the running loop, its address in a file."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn

from treering.adapters.alerts import Alerts
from treering.adapters.bus import Commands
from treering.adapters.lanes import lanes
from treering.adapters.nats_credentials import read_credential, write_private
from treering.adapters.tokens import Tokens
from treering.kernel.ending import end
from treering.kernel.service import ServiceFailed
from treering_services.alerting import raised_in, report_incomplete
from treering_services.base import ServiceBase, StatesReader
from treering_services.gateway.app import Application
from treering_services.gateway.asyncapi import describe_events
from treering_services.gateway.auth import owner_actor
from treering_services.gateway.blob_alerts import BlobAlerts
from treering_services.gateway.core import Gateway
from treering_services.gateway.guard import Guard, bracketed, is_loopback
from treering_services.gateway.home_alerts import HomeAlerts
from treering_services.gateway.http.accepting import Accepting
from treering_services.gateway.http.connections import Connections
from treering_services.gateway.http.limits import Limits, limits_here
from treering_services.gateway.http.protocol import LimitedProtocol
from treering_services.gateway.openapi import describe
from treering_services.gateway.outputs import OutputRegistrar
from treering_services.gateway.polls import Polls
from treering_services.gateway.publish import nats_publisher
from treering_services.gateway.routes import ROUTES
from treering_services.gateway.tracking_reader import tracking_reader
from treering_services.gateway.values_keeper import ValuesKeeper

BACKLOG = 512
DRAIN_SECONDS = 3
TICK_SECONDS = 1.0
STALLED_SECONDS_MAX = 30.0


class Server(uvicorn.Server):
    """uvicorn inside a loop that is not its own: signals are for the process, and its start can be waited for.

    It is told to stop, where uvicorn looks for it every 0.1 s; that and its pause of 0.1 s were most of a stop.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.stopping = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self.stopping.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # which sets the date of the answers
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the open connections finish; at once when there are none."""
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)


async def run(
    base: ServiceBase,
    reader: StatesReader,
    started: Callable[[], None],
    *,
    host: str,
    port: int,
    auth: bool,
    more_hosts: Collection[str] = (),
    limits: Limits | None = None,
) -> None:
    """Serve HTTP on ``host:port`` (port 0: one that is free) until stopped; ``<home>/url`` says where.

    ``auth`` False lets everybody who reaches it do everything, so it is refused beyond loopback.
    ``more_hosts`` are the names (with port) by which a proxy in front is reached.
    """
    if not auth and not is_loopback(host):
        raise ServiceFailed(f"without authentication the gateway listens on loopback only, not on {host}")
    async with base.connected("gateway") as client, tracking_reader(base, client, reader.feed) as tracking:
        await base.check_log(client, reader.view)
        tokens = Tokens(base.home)
        actor = owner_actor(base.home)
        gateway = Gateway(
            base.home,
            base.urls,
            client,
            reader,
            tracking,
            tokens,
            actor,
            auth,
            base.here,
            limits=limits or limits_here(),
        )
        gateway.openapi, gateway.asyncapi = describe(ROUTES), describe_events()
        await gateway.hub.start()
        gateway.hub.watch(gateway.access)
        await gateway.access.try_record()
        await asyncio.to_thread(gateway.access.say_wrong_names)
        listener = listen(host, port)
        bound = int(listener.getsockname()[1])
        app = Application(gateway, Guard(host, bound, more_hosts))
        outside = {"pub": nats_publisher(gateway), "sub": Polls(gateway).handle}
        known = read_credential(base.home.root, "gateway")
        async with (
            lanes(base.urls, known, outside, base.refused),
            served(app, listener, gateway.limits) as failed,
        ):
            try:
                write_private(base.home.url_file, f"http://{bracketed(reachable(host))}:{bound}\n".encode())
                # Shielded: the server is not cancelled, it is asked to drain when the block ends.
                reporting = report_incomplete(
                    tracking.view, Alerts(Commands(client, "gateway", base.here)), lambda: raised_in(reader.view)
                )
                alerting = (BlobAlerts(gateway).run(), HomeAlerts(gateway).run(), reporting)
                tellers = (OutputRegistrar(gateway).run(), ValuesKeeper(gateway).run(), *alerting)
                parts = (gateway.hub.run(), gateway.access.run(), *tellers)
                await base.work(started, asyncio.shield(failed), *parts)
            finally:
                base.home.url_file.unlink(missing_ok=True)
                gateway.open_streams.end()


def listen(host: str, port: int) -> socket.socket:
    """The protocol is named: without it asyncio leaves Nagle's algorithm on, which costs an answer 40 ms.

    A client that takes nothing for ``STALLED_SECONDS_MAX`` is cut off by the kernel (TCP_USER_TIMEOUT, inherited by
    each connection): no timer of ours a send, and what was waiting for it is let go.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # on Linux
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_SECONDS_MAX * 1000))
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServiceFailed(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return listener


def reachable(host: str) -> str:
    """An address for clients on this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


@asynccontextmanager
async def served(app: Application, listener: socket.socket, limits: Limits) -> AsyncIterator[asyncio.Task[None]]:
    """Answer requests inside the block; at its end the open ones get ``DRAIN_SECONDS`` to finish.

    uvicorn gets no socket: connections are accepted, counted and timed here, and its own timer comes after ours.
    """
    config = uvicorn.Config(
        app, http=LimitedProtocol, lifespan="off", ws="none", log_config=None,
        access_log=False, server_header=False, proxy_headers=False,
        timeout_keep_alive=int(limits.idle_seconds) + 2, timeout_graceful_shutdown=DRAIN_SECONDS,
    )  # fmt: skip
    server, connections, loop = Server(config), Connections(limits), asyncio.get_running_loop()
    task = asyncio.create_task(server.serve([]), name="http")
    watching = asyncio.create_task(connections.watch(), name="http-connections")
    accepting = Accepting(
        listener, connections, lambda: LimitedProtocol(connections, config, server.server_state, loop)
    )
    try:
        waiter = asyncio.create_task(server.listening.wait())
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        await end(waiter)
        accepting.start()
        yield task
    finally:
        accepting.stop()
        server.stop()
        await asyncio.wait({task})
        await end(watching)
        listener.close()
