"""How services become processes: signals, one line when ready, one line when something is wrong."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import TextIO

import uvloop

from treering.adapters.descriptors import raise_limit
from treering.adapters.home_faults import faults, refuse
from treering.adapters.home_place import check_place, place_faults
from treering.adapters.home_secrets import keep_new_sums, refuse_broken
from treering.adapters.nats_connect import NatsUnavailable
from treering.adapters.nats_credentials import CredentialMissing
from treering.adapters.nats_process import NatsServerError, server_url
from treering.adapters.open_home import open_folders, refuse_open_secrets
from treering.adapters.otlp import start_export
from treering.adapters.scrubbing import scrub
from treering.config import Home
from treering.kernel.disk import REASONS, CannotWrite
from treering.kernel.log import LogDamaged, LogUnavailable
from treering.kernel.plain_text import harmless
from treering.kernel.refusal import Refused, os_words
from treering.kernel.service import Service, ServiceFailed, run_until_failure
from treering_services.base import ServiceBase, states_reader
from treering_services.stopping import Backstop, Stop

Options = argparse.Namespace
NATS_OWNERS = ("up", "nats")
# A full collection looks at every object there is and stops all else meanwhile: with 1,000 subscribers and full caches
# for 0.1 to 0.4 s, several times in ten seconds. What is young is collected as ever.
COLLECT_AFTER = (10_000, 20, 100)
EXPECTED = (
    ServiceFailed, LogDamaged, LogUnavailable, NatsUnavailable, NatsServerError, CredentialMissing, Refused,
    CannotWrite, OSError,
)  # fmt: skip


def host(options: Options, home: Home) -> int:
    """Run what ``options.name`` says until SIGINT or SIGTERM; the process's exit code."""
    stop_export = start_export(options.name)
    backstop = Backstop()
    gc.set_threshold(*COLLECT_AFTER)
    raise_limit()
    try:
        check_home(options, home)
        uvloop.run(hosted(options, home, backstop))
    except EXPECTED as error:
        say(f"treering {options.name}: {worded(error, home)}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        stop_export()
        backstop.disarm()
    return 0


def worded(error: BaseException, home: Home) -> str:
    """What ended a service, for people: which file, why, and what to do where that is known."""
    if not isinstance(error, OSError):
        return str(error)
    told = os_words(error) if error.filename else f"{home.root}: {os_words(error)}"
    why = REASONS.get(error.errno, ("", ""))[1].removesuffix(", and it goes on by itself")  # What ended does not.
    return f"{told} ({why}, and start again)" if why else told


def say(text: str, file: TextIO | None = None) -> None:
    """A line for whoever started us. One that nobody can take (a full disk, a closed pipe) ends no service."""
    stream, text = file or sys.stdout, scrub(text)
    with suppress(OSError):
        print(harmless(text) if stream.isatty() else text, file=stream, flush=True)


def check_home(options: Options, home: Home) -> None:
    """Make the folders of a new home. One that has run before must be whole, where it was, and with its secrets."""
    new_epoch = getattr(options, "new_epoch", False)
    with_log = options.name in NATS_OWNERS and not getattr(options, "route", None)
    for fault in refuse(faults(home, with_log=with_log, told=options.moved or new_epoch)):
        warn(options, fault)
    home.create()
    options.elsewhere = options.moved and with_log and bool(place_faults(home))
    beside_log = options.moved and options.name not in NATS_OWNERS and (home.nats / "store").exists()
    if not (new_epoch or options.elsewhere or beside_log):  # The server of the log notes it when the epoch has begun.
        check_place(home, moved=options.moved)
    refuse_open_secrets(home)
    for warning in open_folders(home):
        say(f"warning: {warning}", sys.stderr)
    check_secrets(options, home)


def check_secrets(options: Options, home: Home) -> None:
    """Name every secret file that is not what was written; with some of them nothing starts."""
    for broken in refuse_broken(home):
        warn(options, broken)
    keep_new_sums(home)


def warn(options: Options, of: object) -> None:
    if options.name in NATS_OWNERS:  # once, not by each process of an installation
        say(f"treering {options.name}: WARNING {of}", sys.stderr)


async def hosted(options: Options, home: Home, backstop: Backstop) -> None:
    stopped, loop = Stop(), asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        backstop.arm(loop)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
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
            await run_until_failure([service], stopped, lambda: say(f"{options.name} is ready"))


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
    from treering.adapters.sandbox.choose import asked_for
    from treering.adapters.sandbox.shown_paths import shown_paths
    from treering_services.executor.node import NodeSettings
    from treering_services.executor.service import run

    shown = shown_paths(options.show_path, base.home.root)
    node = (options.node, options.compute, options.workspace, options.slots, tuple(options.allow_address))
    settings = NodeSettings(*node, asked_for(options.sandbox), shown)
    return Service("executor", lambda started: run(base, started, settings))


SERVICES: dict[str, Callable[[Options, ServiceBase], Service]] = {
    "registry": registry,
    "gateway": gateway,
    "scheduler": scheduler,
    "monitor": monitor,
    "notifier": notifier,
    "executor": executor,
}
