"""What every service starts with: its home, its NATS user, its check of the log, and the states view."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from nats.aio.client import Client

from treering.adapters.bus import Here
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_check import check_against
from treering.adapters.nats_connect import close, connect
from treering.adapters.nats_credentials import read_credential
from treering.adapters.sqlite_reader import SqliteReaders
from treering.adapters.sqlite_view import Database, SqliteView, View
from treering.config import Home, Timing
from treering.kernel.ending import end, run_together
from treering.kernel.feed import Feed
from treering.kernel.projector import Projector
from treering.kernel.service import ServiceFailed, first_cause
from treering.views.states import StatesView

T = TypeVar("T")


@dataclass
class ServiceBase:
    """One a process: where its services live, how they reach NATS, and what is ``here``. ``violated`` ends them when
    NATS refuses one, or a view cannot go on; ``violation`` is the sentence about it."""

    home: Home
    urls: list[str]
    timing: Timing = field(default_factory=Timing.from_environment)
    here: Here = field(default_factory=Here)
    violated: asyncio.Event = field(default_factory=asyncio.Event)
    violation: str = ""

    @asynccontextmanager
    async def connected(self, user: str) -> AsyncIterator[Client]:
        """A connection as ``user``, closed at the end."""
        client = await connect(
            self.urls, read_credential(self.home.root, user), f"treering-{user}", on_violation=self.refused
        )
        try:
            yield client
        finally:
            await close(client)

    def refused(self, why: str) -> None:
        self.end(f"NATS refused this service: {why}")

    def end(self, why: str) -> None:
        """Stop all services of this process; the first reason is the one that is told."""
        self.violation = self.violation or why
        self.violated.set()

    def ends_with(self, name: str, task: asyncio.Task[None]) -> None:
        """Nothing goes on without ``task``: say what ended it."""
        task.add_done_callback(
            lambda done: None if done.cancelled() else self.end(f"{name} stopped: {first_cause(done.exception())}")
        )

    async def check_log(self, client: Client, view: SqliteView) -> None:
        """Refuse to start on a log that is not the one ``view`` has seen; raises LogDamaged."""
        await check_against(client, await view.checkpoint(), view.name)

    async def work(self, started: Callable[[], None], *parts: Awaitable[None]) -> None:
        """Ready; then run ``parts`` until one fails, NATS refuses us, or the service is stopped."""
        started()
        await run_together(*parts, self.fail_when_ended())

    async def fail_when_ended(self) -> None:
        await self.violated.wait()
        raise ServiceFailed(self.violation)


@dataclass
class StatesReader:
    """The states view with its projector, and what the log brings. Services in one process share one."""

    view: SqliteView
    projector: Projector
    feed: Feed
    beside: SqliteReaders

    async def read(self, query: Callable[[Database], T]) -> T:
        """A query for a client, beside the projection; as in SqliteReaders.read."""
        return await self.beside.read(query)


@asynccontextmanager
async def opened_view(home: Home, service: str, view: View) -> AsyncIterator[SqliteView]:
    """The view's file below the service's folder, closed at the end."""
    folder = home.views(service)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = SqliteView(view, folder / f"{view.name}.db")
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def states_reader(base: ServiceBase, service: str, client: Client) -> AsyncIterator[StatesReader]:
    """Keep the states view of ``service`` up with the log while the block runs."""
    async with opened_view(base.home, service, StatesView()) as view:
        await base.check_log(client, view)
        event_log = JetStreamLog(client)
        feed = Feed(event_log, after=(await view.checkpoint()).position)
        beside = SqliteReaders(Path(view.path), views=[view])
        reader = StatesReader(view, Projector(event_log, view, feed=feed), feed, beside)
        tasks = {asyncio.create_task(part) for part in (feed.run(), reader.projector.run())}
        for task in tasks:
            base.ends_with("the states view", task)
        try:
            yield reader
        finally:
            await end(*tasks)
            await beside.close()
