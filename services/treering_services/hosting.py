"""How services become processes: signals, one line when ready, one line when something is wrong."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

import uvloop

from treering.adapters.nats_connect import NatsUnavailable
from treering.adapters.nats_credentials import CredentialMissing
from treering.adapters.nats_process import NatsServerError, server_url
from treering.adapters.otlp import start_export
from treering.config import Home
from treering.kernel.log import LogDamaged, LogUnavailable
from treering.kernel.refusal import Refused, os_words
from treering.kernel.service import Service, ServiceFailed, run_until_failure
from treering_services.base import ServiceBase, states_reader

Options = argparse.Namespace
# A full collection looks at every object there is and stops all else meanwhile: with 1,000 subscribers and full caches
# for 0.1 to 0.4 s, several times in ten seconds. What is young is collected as ever.
COLLECT_AFTER = (10_000, 20, 100)
EXPECTED = (
    ServiceFailed, LogDamaged, LogUnavailable, NatsUnavailable, NatsServerError, CredentialMissing, Refused, OSError,
)  # fmt: skip


def host(options: Options, home: Home) -> int:
    """Run what ``options.name`` says until SIGINT or SIGTERM; the process's exit code."""
    stop_export = start_export(options.name)
    gc.set_threshold(*COLLECT_AFTER)
    try:
        home.create()
        uvloop.run(hosted(options, home))
    except EXPECTED as error:
        why = os_words(error) if isinstance(error, OSError) else error
        print(f"treering {options.name}: {why}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        stop_export()
    return 0


async def hosted(options: Options, home: Home) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        if options.name == "up":
            from treering_services.up import run_everything

            await run_everything(options, home, stack, stopped)
        elif options.name == "nats":
            from treering_services.up import run_nats

            await run_nats(options, home, stopped)
        else:
            urls = options.nats or [server_url(home.root)]
            service = SERVICES[options.name](options, ServiceBase(home, urls))
            await run_until_failure([service], stopped, lambda: print(f"{options.name} is ready", flush=True))


def registry(options: Options, base: ServiceBase) -> Service:
    from treering_services.registry.service import run

    async def main(started: Callable[[], None]) -> None:
        async with base.connected("registry") as client, states_reader(base, "registry", client) as reader:
            await run(base, reader, started)

    return Service("registry", main)


def gateway(options: Options, base: ServiceBase) -> Service:
    from treering_services.gateway.service import run

    async def main(started: Callable[[], None]) -> None:
        async with base.connected("gateway") as client, states_reader(base, "gateway", client) as reader:
            auth = options.auth != "none"
            await run(base, reader, started, host=options.host, port=options.port, auth=auth)

    return Service("gateway", main)


def scheduler(options: Options, base: ServiceBase) -> Service:
    from treering_services.scheduler.service import run

    async def main(started: Callable[[], None]) -> None:
        async with base.connected("scheduler") as client, states_reader(base, "scheduler", client) as reader:
            await run(base, reader, started)

    return Service("scheduler", main)


def monitor(options: Options, base: ServiceBase) -> Service:
    from treering_services.monitor.service import run

    return Service("monitor", lambda started: run(base, started))


def notifier(options: Options, base: ServiceBase) -> Service:
    from treering_services.notifier.service import run

    async def main(started: Callable[[], None]) -> None:
        async with base.connected("notifier") as client, states_reader(base, "notifier", client) as reader:
            await run(base, reader, started, allowed=options.allow_address)

    return Service("notifier", main)


def executor(options: Options, base: ServiceBase) -> Service:
    from treering_services.executor.service import NodeSettings, run

    settings = NodeSettings(options.node, options.compute, options.workspace, options.slots)
    return Service("executor", lambda started: run(base, started, settings))


SERVICES: dict[str, Callable[[Options, ServiceBase], Service]] = {
    "registry": registry,
    "gateway": gateway,
    "scheduler": scheduler,
    "monitor": monitor,
    "notifier": notifier,
    "executor": executor,
}
