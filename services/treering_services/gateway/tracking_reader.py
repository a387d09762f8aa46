"""The gateway's tracking view, kept up with both streams, and how it lets every client read its own writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog
from nats.aio.client import Client

from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.second_stream import SecondStream
from treering.adapters.sqlite_reader import SqliteReaders
from treering.adapters.sqlite_view import Database, SqliteView
from treering.adapters.streams import stream_state
from treering.kernel.ending import end
from treering.kernel.feed import Feed
from treering.kernel.projector import Projector
from treering.views.tracking import TrackingView, points_entries, points_units
from treering.views.tracking.history_pages import HistoryPages
from treering_services.base import ServiceBase, opened_view

T = TypeVar("T")
POINTS_STREAM = "MET"
POINTS_SUBJECT = "met.>"
GATHER_SECONDS = 0.02  # entries that nobody waits for share a transaction
log = structlog.get_logger()


@dataclass
class TrackingReader:
    """MLflow's clients read right after they write and know no positions. So this remembers the highest position
    that this process wrote to each stream, or showed to anybody, and a read waits until the view shows it."""

    view: SqliteView
    beside: SqliteReaders
    commits: Projector
    points: Projector
    pages: HistoryPages = field(default_factory=HistoryPages)
    commits_written: int = 0
    points_written: int = 0
    experiments_written: int = 0

    @property
    def incomplete_headers(self) -> dict[str, str]:
        return incomplete_headers(self.view)

    def wrote(self, position: int) -> None:
        """A commit at ``position`` of the event log was acknowledged to a client."""
        self.commits_written = max(self.commits_written, position)

    def showed(self, position: int) -> None:
        """A client has seen, in another view, what the commit at ``position`` made: no read may show less."""
        self.wrote(position)

    def wrote_experiment(self, position: int) -> None:
        """Making a run needs no more than the experiments to be up to date."""
        self.experiments_written = max(self.experiments_written, position)

    def wrote_points(self, position: int) -> None:
        self.points_written = max(self.points_written, position)

    async def fresh_commits(self) -> None:
        """Wait until the view shows every commit this process has written; ``Refused("view.behind")``."""
        if self.commits.position < self.commits_written:
            await self.commits.reached(self.commits_written)

    async def fresh(self) -> None:
        """Like ``fresh_commits``, for the metric points too."""
        await self.fresh_commits()
        if self.points.position < self.points_written:
            await self.points.reached(self.points_written)

    async def peek(self, query: Callable[[Database], T]) -> T:
        """A look-up by key on fresh rows."""
        await self.fresh()
        return await self.view.peek(query)

    async def read(self, query: Callable[[Database], T]) -> T:
        """A longer query on fresh rows, beside the projection."""
        await self.fresh()
        return await self.beside.read(query)


def incomplete_headers(view: SqliteView) -> dict[str, str]:
    """What says in the answer of a list how many resources the view cannot show: it may lack some of them."""
    return {"treering-incomplete": str(view.incomplete)} if view.incomplete else {}


@asynccontextmanager
async def tracking_reader(base: ServiceBase, client: Client, feed: Feed) -> AsyncIterator[TrackingReader]:
    """Keep the tracking view up with the streams while the block runs."""
    definition = TrackingView()
    async with opened_view(base.home, "gateway", definition) as view:
        await base.check_log(client, view)
        second = SecondStream(view, POINTS_STREAM, points_entries, points_units, definition.project_points)
        await second.open()
        await check_points(client, second)
        beside = SqliteReaders(Path(view.path), views=[view])
        reader = TrackingReader(
            view,
            beside,
            Projector(JetStreamLog(client), view, gather_seconds=GATHER_SECONDS, feed=feed),
            Projector(
                JetStreamLog(client, POINTS_STREAM), second, subject=POINTS_SUBJECT, gather_seconds=GATHER_SECONDS
            ),
        )
        tasks = {asyncio.create_task(projector.run()) for projector in (reader.commits, reader.points)}
        for task in tasks:
            base.ends_with("the tracking view", task)
        try:
            yield reader
        finally:
            await end(*tasks)
            await beside.close()


async def check_points(client: Client, second: SecondStream) -> None:
    """The points have no second copy. When the stream is another one, or was lost, what the view knows of it stays
    and the new one is followed from its start: said loudly, because a view computed again would lack the old points.
    """
    seen = await second.checkpoint()
    if seen.position == 0:
        return
    entry = None
    if seen.position <= (await stream_state(client, POINTS_STREAM)).last:
        entry = await JetStreamLog(client, POINTS_STREAM).at(seen.position)
    if entry is None or entry.hash() != seen.hash:
        log.error("points.lost", stream=POINTS_STREAM, seen=seen.position)
        await second.forget()
