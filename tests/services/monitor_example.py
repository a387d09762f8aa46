"""A home with a NATS server, the registry and the monitor, for the monitor's tests."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from nats.aio.client import Client

from treering.adapters.bus import Commands, question
from treering.adapters.log_scrub import entries_between
from treering.adapters.nats_connect import close
from treering.adapters.nats_server import NatsServer
from treering.config import Home
from treering.domain.experiment_messages import CreateExperiment
from treering.kernel.aggregate import Command
from treering.kernel.clock import new_id, now
from treering.kernel.command import Context, Written
from treering.kernel.log import Entry
from treering.kernel.service import Service
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering.views.queries import AuditAnswer, AuditQuery, AuditRow, StatusAnswer, StatusQuery
from treering_services.base import ServiceBase, StatesReader, states_reader
from treering_services.monitor import service as monitor
from treering_services.registry import service as registry

T = TypeVar("T")
PATIENCE_SECONDS = 30.0
COMMITS = 400


@dataclass
class Installation:
    """What a test asks and tells; ``monitor`` is the running service."""

    home: Home
    gateway: Client
    monitor: Service

    async def send(self, address: Address, command: Command, *, actor: str = "anna", cause: str = "") -> Written:
        context = Context(new_id(), now(), actor, cause)
        return await Commands(self.gateway, "gateway").send(address, command, context)

    async def ask(self, name: str, query: msgspec.Struct, type: type[T]) -> T:
        return await question(self.gateway, name, query, type)

    async def caught_up(self, position: int) -> StatusAnswer:
        """Ask for the status until every store has reached ``position``."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                status = await self.ask("status", StatusQuery(), StatusAnswer)
                if min(status.copy.position, *(view.position for view in status.views.values())) >= position:
                    return status

    async def row_at(self, position: int) -> AuditRow:
        """The first event at ``position``, when the monitor has it."""
        await self.caught_up(position)
        moment = str(position)
        return (await self.ask("audit", AuditQuery(since=moment, until=moment, oldest_first=True), AuditAnswer)).rows[0]


def experiment(name: str) -> Address:
    return Address("w", "experiment", name)


@asynccontextmanager
async def running_registry(nats: RunningNats, base: ServiceBase) -> AsyncIterator[StatesReader]:
    client = await nats.connect("gateway")
    async with states_reader(base, "registry", client) as reader:
        service = Service("registry", lambda started: registry.run(base, reader, started))
        await service.start()
        try:
            yield reader
        finally:
            await service.stop()


@asynccontextmanager
async def installation(nats: RunningNats, *, writers: bool = True) -> AsyncIterator[Installation]:
    """Registry (unless there are no ``writers``) and monitor on ``nats``, stopped at the end."""
    home = Home(nats.home)
    home.create()
    async with AsyncExitStack() as stack:
        if writers:
            await stack.enter_async_context(running_registry(nats, ServiceBase(home, nats.urls)))
        base = ServiceBase(home, nats.urls)
        service = Service("monitor", lambda started: monitor.run(base, started))
        await service.start()
        stack.push_async_callback(service.stop)
        yield Installation(home, await nats.connect("gateway"), service)


async def filled(running: Installation, count: int) -> int:
    """``count`` experiments; the position of the last, which the monitor has reached."""
    written = await asyncio.gather(
        *(running.send(experiment(f"e{number}"), CreateExperiment("x" * 100)) for number in range(count))
    )
    last = max(one.position for one in written)
    await running.caught_up(last)
    return last


def event_blocks(server: NatsServer) -> list[Path]:
    """The files of the event stream, oldest first."""
    return sorted((server.folder / "store").rglob("EVT/msgs/*.blk"), key=lambda path: int(path.stem))


def flip_bit(path: Path, share: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 1
    path.write_bytes(data)


async def filled_log(nats: RunningNats, count: int = COMMITS) -> list[Entry]:
    """A log of ``count`` experiments that registry and monitor have seen; all its entries."""
    async with installation(nats) as running:
        last = await filled(running, count)
    return await all_entries(nats, last)


def copy_file(nats: RunningNats) -> Path:
    return nats.home / "copy" / "log.db"


async def all_entries(nats: RunningNats, last: int) -> list[Entry]:
    client = await nats.connect("monitor")
    return [entry async for batch in entries_between(client, 0, last) for entry in batch]


async def stopped(nats: RunningNats, *, killed: bool) -> None:
    """The server has ended, in order or by kill -9; the clients are gone."""
    process = nats.server.process
    assert process is not None
    if killed:
        process.kill()
        await nats.server.died()
    await disconnected(nats)
    await nats.server.stop()


async def disconnected(nats: RunningNats) -> None:
    for client in nats.clients:
        await close(client)
    nats.clients.clear()


def change_copy(nats: RunningNats, position: int) -> None:
    with closing(sqlite3.connect(copy_file(nats))) as db, db:
        body = bytearray(db.execute("SELECT body FROM commits WHERE position = ?", (position,)).fetchone()[0])
        body[len(body) // 2] ^= 1
        db.execute("UPDATE commits SET body = ? WHERE position = ?", (bytes(body), position))
