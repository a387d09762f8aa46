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

from treering.adapters.descriptor_wait import when_descriptors
from treering.adapters.home_epoch import begin_epoch, give_up_witnesses
from treering.adapters.home_place import check_place
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_check import check_all_signed, check_points, deep_check
from treering.adapters.log_copy import CopyDamaged
from treering.adapters.log_epochs import record_beginning, record_epoch
from treering.adapters.log_recopy import with_log_judged
from treering.adapters.log_restore import bootstrap_client
from treering.adapters.nats_config import Cluster
from treering.adapters.nats_connect import close, connect
from treering.adapters.nats_credentials import read_credential, refuse_unusable
from treering.adapters.nats_process import NatsServerError
from treering.adapters.nats_server import NatsServer
from treering.adapters.nats_watch import has_room, stuck
from treering.adapters.stream_settings import remove_damaged_settings
from treering.adapters.streams import bootstrap
from treering.adapters.tied_process import tied
from treering.config import SERVICES, Home
from treering.kernel.clock import monotonic_seconds
from treering.kernel.disk import RETRY_SECONDS, CannotWrite, may_pass
from treering.kernel.ending import end
from treering.kernel.service import Service, ServiceFailed, run_until_failure, unless_stopped
from treering_services.base import ServiceBase, states_reader
from treering_services.hosting import Options, say
from treering_services.stopping import Stop

RESTARTS_MAX = 5
RESTARTS_WINDOW_SECONDS = 60.0
# Of stopping.STOP_SECONDS_MAX: the executor is stopped first, then core, then the nats-server with all that is left.
SERVICES_STOP_SECONDS = 8.0
CHILD_STOP_SECONDS = 3.0
CORE_STOP_SECONDS = 4.5
NATS_STOP_SECONDS = (1.0, 7.0)  # at least; and by when after the process was asked to stop: to end takes time too
log = structlog.get_logger()


async def run_everything(options: Options, home: Home, stack: AsyncExitStack, stopped: Stop) -> None:
    """Start all, say where, wait for ``stopped``, stop all in reverse order."""
    if not hold_home(home, stack):
        where = home.url_file.read_text().strip() if home.url_file.exists() else "another process"
        say(f"treering is running already: {where}")
        return
    for done in give_up_witnesses(home) if options.new_epoch else ():
        say(done)
    server = await unless_stopped(stopped, started_nats(NatsServer(home.root), home, stack, stopped))
    if server is None:
        return
    if options.new_epoch:
        for done in await begin_epoch(server, home):
            say(done)
        check_place(home, moved=True)
    elif options.elsewhere:
        await go_on_elsewhere(server, home)
    base = ServiceBase(home, [server.url])
    services = [core(options, base), executor_child(options, home)]
    watch = Service("nats-server", lambda started: watched(server, home, started))
    # The executor waits for the registry by itself; its interpreter starts meanwhile.
    await run_until_failure(
        [watch, *services], stopped, lambda: announce(home), ordered=False, stop_seconds_max=SERVICES_STOP_SECONDS
    )


async def run_nats(options: Options, home: Home, stopped: Stop) -> None:
    """Only the nats-server with its streams: for one process a service. With routes, one of a cluster."""
    routes = tuple(options.route)
    cluster = Cluster("treering", options.node, options.host, options.cluster_port, routes) if routes else None
    async with AsyncExitStack() as stack:
        server = NatsServer(home.root, host=options.host, port=options.port, cluster=cluster)
        await started_nats(server, home, stack, stopped, replicas=len(routes) or 1)
        if options.elsewhere:
            await go_on_elsewhere(server, home)
        say(f"nats is ready at {server.url}")
        await run_until_failure([Service("nats-server", lambda started: watched(server, home, started))], stopped)


async def go_on_elsewhere(server: NatsServer, home: Home) -> None:
    """Of a home that was moved: it may have been put back with tar, and lack what subscribers have seen."""
    async with bootstrap_client(server) as client:
        events = JetStreamLog(client)
        await record_epoch(events, after=await events.head())
    check_place(home, moved=True)


def hold_home(home: Home, stack: AsyncExitStack) -> bool:
    """One ``up`` a home: a lock that ends with the process."""
    file: TextIO = stack.enter_context((home.root / "up.lock").open("w"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def started_nats(
    server: NatsServer, home: Home, stack: AsyncExitStack, stopped: Stop, *, replicas: int = 1
) -> NatsServer:
    """A running server whose streams exist and hold what the second copy holds; LogDamaged otherwise."""
    refuse_unusable(home.root)
    if server.cluster is None:
        remove_damaged_settings(home)
    stack.push_async_callback(stop_nats, server, stopped)  # also when it is stopped, or fails, while it starts
    await server.start()
    await check_streams(server, home, replicas=replicas)
    return server


async def stop_nats(server: NatsServer, stopped: Stop) -> None:
    """End the server in the time that is left. One that does not react is killed: all it acknowledged is on disk."""
    least, by = NATS_STOP_SECONDS
    await server.stop(timeout_seconds=max(least, stopped.left_seconds(by)))


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
        if replicas is not None:
            await record_beginning(JetStreamLog(client))
    except CopyDamaged as damage:
        raise await with_log_judged(client, home, damage) from None
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
        await when_descriptors("nats-server", lambda: start_again(server, home))


async def start_again(server: NatsServer, home: Home) -> None:
    """Start the server, and look at its log. On a disk without room it may not come up: room is waited for."""
    while True:
        try:
            await server.start()
            await check_streams(server, home)
            return
        except (NatsServerError, CannotWrite, OSError) as error:
            if has_room(server) and not may_pass(error):
                raise
            log.error("disk.waiting", writing="the store of nats-server", why=str(error))
        await asyncio.sleep(RETRY_SECONDS)


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
        await end(died, hangs)


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
            await run_until_failure(services, base.violated, started, stop_seconds_max=CORE_STOP_SECONDS)
            raise ServiceFailed(base.violation)

    return Service("core", main)


def executor_child(options: Options, home: Home) -> Service:
    """The executor in a process of its own, started again when it dies. It dies with us: left behind, it would fight
    with the executor of the next start over their one node, and each would kill the other's jobs.
    """
    command = [sys.executable, *SERVICES, "executor", "--home", str(home.root)]
    command = [*command, "--slots", str(options.slots)]
    command += [word for address in options.allow_address for word in ("--allow-address", address)]
    command += ["--sandbox", options.sandbox] if options.sandbox else []
    command += [word for path in options.show_path for word in ("--show-path", path)]

    async def child_started() -> asyncio.subprocess.Process:
        ours = tied(command, signal.SIGTERM)
        return await asyncio.create_subprocess_exec(*ours, stdout=asyncio.subprocess.PIPE)

    async def main(started: Callable[[], None]) -> None:
        deaths: list[float] = []
        while True:
            child = await when_descriptors("executor", child_started)
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
    say(f"treering is ready at {url} (pid {os.getpid()}, home {home.root})")
