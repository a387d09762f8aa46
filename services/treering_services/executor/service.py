"""The executor as a service: one a node and home, with the launcher that its jobs are started by."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import structlog

from treering.adapters.file_lock import file_lock
from treering.adapters.launcher import Launcher
from treering.adapters.pip_shim import make_shims
from treering.adapters.sandbox.choose import asked_for, choose_sandbox
from treering.adapters.sandbox.cloud_metadata import closed_addresses
from treering.config import Home
from treering.kernel.ending import end
from treering.kernel.refusal import Refused
from treering_services.base import ServiceBase
from treering_services.executor.disk_guard import DiskGuard
from treering_services.executor.node import Executor, NodeSettings

TAKEN_SECONDS = 5.0
log = structlog.get_logger()


@asynccontextmanager
async def only_one(home: Home, node: str) -> AsyncIterator[None]:
    """One executor a node and home. Two would sweep each other's jobs away, and report them as failed.

    Raises ``Refused("node.taken")`` when another holds the node for longer than a dying one takes to be gone.
    """
    runs = home.runs(node)
    runs.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(file_lock(runs.with_name(f".{runs.name}.lock"), TAKEN_SECONDS))
        except Refused:
            message = f"another process runs node {node!r} of {home.root}; stop it, or give this one another --node"
            raise Refused("node.taken", message) from None
        yield


async def run(base: ServiceBase, started: Callable[[], None], settings: NodeSettings) -> None:
    """The executor as a service: ready when its node has joined."""
    async with only_one(base.home, settings.name), base.connected("executor") as client:
        await asyncio.to_thread(make_shims, base.home.shims)
        sandbox = await asyncio.to_thread(choose_sandbox, asked_for(settings.sandbox), base.home.root)
        log.info("sandbox.chosen", sandbox=sandbox.name, why=getattr(sandbox, "why", ""))
        launcher = Launcher(
            settings.name, home=base.home.root, sandbox=sandbox, closed_ports=local_ports(base.urls),
            closed_addresses=closed_addresses(os.environ),
        )  # fmt: skip
        await launcher.start()
        executor = Executor(base, client, launcher, settings)
        guard = DiskGuard(base.home.runs(settings.name), executor.attempts.values)
        guarding = asyncio.create_task(guard.watch())
        try:
            await executor.join(started)
            await base.work(started, executor.live())
        finally:
            await end(guarding)
            await executor.leave()
            await launcher.close()


def local_ports(urls: Sequence[str]) -> list[int]:
    """The ports of the NATS servers that listen on this machine's loopback. No job has any business there."""
    parts = [urlsplit(url) for url in urls]
    return [one.port for one in parts if one.port and one.hostname in ("localhost", "127.0.0.1", "::1")]
