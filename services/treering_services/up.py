"""``treering up``: a nats-server and an executor as children, the other services in this process.

They share one process because five interpreters take longer to start and four times the memory; each still
has its own NATS user and talks to the others over NATS only (docs/adr/0004-one-process.md).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TextIO

import structlog

from treering.adapters.log_check import check_all_signed, check_points, deep_check
from treering.adapters.nats_config import Cluster
from treering.adapters.nats_connect import close, connect
from treering.adapters.nats_credentials import read_credential, refuse_unusable
from treering.adapters.nats_server import NatsServer
from treering.adapters.nats_watch import stuck
from treering.adapters.streams import bootstrap
from treering.adapters.tied_process import tied
from treering.config import Home
from treering.kernel.clock import monotonic_seconds
from treering.kernel.service import Service, ServiceFailed, run_until_failure, unless_stopped
from treering_services.base import ServiceBase, states_reader
from treering_services.hosting import Options

RESTARTS_MAX = 5
RESTARTS_WINDOW_SECONDS = 60.0
CHILD_STOP_SECONDS = 10.0
log = structlog.get_logger()


async def run_everything(options: Options, home: Home, stack: AsyncExitStack, stopped: asyncio.Event) -> None:
    """Start all, say where, wait for ``stopped``, stop all in reverse order."""
    if not hold_home(home, stack):
        where = home.url_file.read_text().strip() if home.url_file.exists() else "another process"
        print(f"treering is running already: {where}", flush=True)
        return
    server = await unless_stopped(stopped, started_nats(NatsServer(home.root), home, stack))
    if server is None:
        return
    base = ServiceBase(home, [server.url])
    services = [core(options, base), executor_child(options, home)]
    watch = Service("nats-server", lambda started: watched(server, home, started))
    # The executor waits for the registry by itself; its interpreter starts meanwhile.
    await run_until_failure([watch, *services], stopped, lambda: announce(home), ordered=False)


async def run_nats(options: Options, home: Home, stopped: asyncio.Event) -> None:
    """Only the nats-server with its streams: for one process a service. With routes, one of a cluster."""
    routes = tuple(options.route)
    cluster = Cluster("treering", options.node, options.host, options.cluster_port, routes) if routes else None
    async with AsyncExitStack() as stack:
        server = NatsServer(home.root, host=options.host, port=options.port, cluster=cluster)
        await started_nats(server, home, stack, replicas=len(routes) or 1)
        print(f"nats is ready at {server.url}", flush=True)
        await run_until_failure([Service("nats-server", lambda started: watched(server, home, started))], stopped)


def hold_home(home: Home, stack: AsyncExitStack) -> bool:
    """One ``up`` a home: a lock that ends with the process."""
    file: TextIO = stack.enter_context((home.root / "up.lock").open("w"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def started_nats(server: NatsServer, home: Home, stack: AsyncExitStack, *, replicas: int = 1) -> NatsServer:
    """A running server whose streams exist and hold what the second copy holds; LogDamaged otherwise."""
    refuse_unusable(home.root)
    stack.push_async_callback(server.stop)  # also of one that is stopped, or fails, while it starts
    await server.start()
    await check_streams(server, home, replicas=replicas)
    return server


async def check_streams(server: NatsServer, home: Home, *, replicas: int | None = None) -> None:
    """Make the streams when ``replicas`` is given, then compare the log with the second copy. Nobody appends yet."""
    client = await connect(server.url, read_credential(home.root, "bootstrap"), "treering-bootstrap")
    try:
        if replicas is not None:
            await bootstrap(client, replicas)
        server.stage_in_memory()
        await deep_check(client, home.copy / "log.db")
        await check_points(client, home)
        await check_all_signed(client, home)
    finally:
        await close(client)


async def watched(server: NatsServer, home: Home, started: Callable[[], None]) -> None:
    """Start the server again when it dies or hangs; give up when it is too often, or comes back without its log."""
    deaths: list[float] = []
    started()
    while True:
        why = await ended(server)
        deaths = [at for at in deaths if monotonic_seconds() - at < RESTARTS_WINDOW_SECONDS] + [monotonic_seconds()]
        if len(deaths) > RESTARTS_MAX:
            raise ServiceFailed(f"nats-server died {len(deaths)} times in a minute: {why}")
        log.error("nats.restarting", why=why)
        await server.start()
        await check_streams(server, home)


async def ended(server: NatsServer) -> str:
    """Wait until the server is to be started again, and is gone; say why."""
    died, hangs = asyncio.ensure_future(server.died()), asyncio.ensure_future(stuck(server))
    try:
        await asyncio.wait((died, hangs), return_when=asyncio.FIRST_COMPLETED)
        if died.done():
            return died.result()
        why = hangs.result()
        await server.kill()
        return why
    finally:
        died.cancel()
        hangs.cancel()
        await asyncio.gather(died, hangs, return_exceptions=True)


def core(options: Options, base: ServiceBase) -> Service:
    """Registry, monitor, scheduler, notifier and gateway on one states view."""
    from treering_services.gateway import service as gateway
    from treering_services.monitor import service as monitor
    from treering_services.notifier import service as notifier
    from treering_services.registry import service as registry
    from treering_services.scheduler import service as scheduler

    async def main(started: Callable[[], None]) -> None:
        async with base.connected("registry") as client, states_reader(base, "up", client) as reader:
            auth = options.auth != "none"
            services = [
                Service("registry", lambda ready: registry.run(base, reader, ready)),
                Service("monitor", lambda ready: monitor.run(base, ready, reader.feed)),
                Service("scheduler", lambda ready: scheduler.run(base, reader, ready)),
                Service("notifier", lambda ready: notifier.run(base, reader, ready, allowed=options.allow_address)),
                Service(
                    "gateway",
                    lambda ready: gateway.run(base, reader, ready, host=options.host, port=options.port, auth=auth),
                ),
            ]
            await run_until_failure(services, base.violated, started)
            raise ServiceFailed(f"NATS refused a service: {base.violation}")

    return Service("core", main)


def executor_child(options: Options, home: Home) -> Service:
    """The executor in a process of its own, started again when it dies. It dies with us: left behind, it would fight
    with the executor of the next start over their one node, and each would kill the other's jobs.
    """
    command = [sys.executable, "-m", "treering_services", "executor", "--home", str(home.root)]
    command = [*command, "--slots", str(options.slots)]

    async def main(started: Callable[[], None]) -> None:
        deaths: list[float] = []
        while True:
            ours = tied(command, signal.SIGTERM)
            child = await asyncio.create_subprocess_exec(*ours, stdout=asyncio.subprocess.PIPE)
            try:
                assert child.stdout is not None
                if await child.stdout.readline():
                    started()
                await child.wait()
            finally:
                await stop_child(child)
            now = monotonic_seconds()
            deaths = [at for at in deaths if now - at < RESTARTS_WINDOW_SECONDS] + [now]
            if len(deaths) > RESTARTS_MAX:
                raise ServiceFailed(f"the executor died {len(deaths)} times in a minute (exit {child.returncode})")
            log.error("executor.restarting", exit_code=child.returncode)

    return Service("executor", main)


async def stop_child(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.terminate()
    try:
        async with asyncio.timeout(CHILD_STOP_SECONDS):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


def announce(home: Home) -> None:
    url = home.url_file.read_text().strip()
    print(f"treering is ready at {url} (pid {os.getpid()}, home {home.root})", flush=True)
