"""Durable commits a second through the writer, against bare nats-py publishers on the same server.

Bars: >= 0.7 of a bare publisher with the same group commit; >= 4 times the same server without it; a single
command until it is visible in a view <= 3 times a bare durable publish (medians).
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import msgspec
import uvloop
from nats.aio.client import Client

from bench.report import Line, report
from treering.adapters.appender import Appender
from treering.adapters.bus import Commands, Responder
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.sqlite_view import SqliteView
from treering.domain import KINDS
from treering.domain.experiment_messages import CreateExperiment
from treering.kernel.clock import new_id
from treering.kernel.command import Context
from treering.kernel.log import Commit, commit_id, encoder
from treering.kernel.projector import Projector
from treering.kernel.subjects import Address
from treering.kernel.writer import Writer
from treering.telemetry import configure_logging
from treering.testing.nats import running_nats
from treering.views.states import StatesView
from treering_services.registry.service import Registry

CLIENTS = 128
SECONDS = 4.0
SINGLES = 300
AT = datetime(2026, 1, 1, tzinfo=UTC)
COMMAND = CreateExperiment("an experiment", "with a description of some length, as people write them")


async def crowd(work: Callable[[], Awaitable[object]], clients: int = CLIENTS, seconds: float = SECONDS) -> float:
    """How often ``clients`` together do ``work`` in a second."""
    done = 0
    end = perf_counter() + seconds

    async def client() -> None:
        nonlocal done
        while perf_counter() < end:
            await work()
            done += 1

    began = perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return done / (perf_counter() - began)


def writing(client: Client) -> Callable[[], Awaitable[object]]:
    writer = Writer(JetStreamLog(client), KINDS["experiment"])
    return lambda: writer.execute(Address("main", "experiment", new_id()), COMMAND, Context(new_id(), AT, "u_1"))


def bare(client: Client, *, group: bool) -> Callable[[], Awaitable[object]]:
    """Only the publish: the same bytes, already encoded, with the same headers."""
    appender = Appender(client, group=group)
    events = encoder.encode([{"type": "experiment.created", "display_name": COMMAND.display_name}])
    body = encoder.encode(Commit(new_id(), new_id(), 1, AT, "u_1", events=msgspec.Raw(events)))

    def publish() -> Awaitable[object]:
        subject = f"evt.main.experiment.{new_id()}"
        return appender.append(subject, body, id=commit_id(subject, "c"), expected=0)

    return publish


async def median_ms(work: Callable[[], Awaitable[object]], times: int = SINGLES) -> float:
    taken = []
    for _ in range(times):
        began = perf_counter()
        await work()
        taken.append((perf_counter() - began) * 1000)
    return statistics.median(taken)


async def latency(registry: Client, gateway: Client, folder: Path) -> tuple[float, float]:
    """(command to visible in the view, bare durable publish), medians in ms; the rounds take turns."""
    states = SqliteView(StatesView(), folder / "states.db")
    await states.open()
    projector = Projector(JetStreamLog(gateway), states)
    following = asyncio.create_task(projector.run())
    service = Registry(JetStreamLog(registry), states, folder)
    await Responder(registry, "cmd.*.*", service.handle).start()
    commands = Commands(gateway, "gateway")

    async def command() -> None:
        address = Address("main", "experiment", new_id())
        written = await commands.send(address, COMMAND, Context(new_id(), AT, "u_1"))
        await projector.reached(written.position)

    publish = bare(registry, group=True)
    await projector.reached(await JetStreamLog(gateway).head(), timeout_seconds=120)
    rounds = [(await median_ms(command), await median_ms(publish)) for _ in range(3)]
    following.cancel()
    await states.close()
    return statistics.median(r[0] for r in rounds), statistics.median(r[1] for r in rounds)


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        async with running_nats(Path(name)) as nats:
            registry, gateway = await nats.connect("registry"), await nats.connect("gateway")
            visible, durable = await latency(registry, gateway, Path(name))
            grouped = statistics.median([await crowd(bare(registry, group=True)) for _ in range(2)])
            writer = statistics.median([await crowd(writing(registry)) for _ in range(2)])
            single = await crowd(bare(registry, group=False))
    report(
        "durable commits",
        Line("through the writer, 128 clients", f"{writer:,.0f}/s"),
        Line("bare publisher, same group commit", f"{grouped:,.0f}/s", writer / grouped, ">=", 0.7),
        Line("bare publisher, no group commit", f"{single:,.0f}/s", writer / single, ">=", 4.0),
        Line("bare durable publish, median", f"{durable:.2f} ms"),
        Line("command until visible in the view, median", f"{visible:.2f} ms", visible / durable, "<=", 3.0),
    )


if __name__ == "__main__":
    configure_logging("bench")
    uvloop.run(main())
