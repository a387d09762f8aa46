"""Keep the second copy of the metric points, and have the log told now and then what they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from nats.aio.client import Client

from treering.adapters.bus import Commands
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_check import check_against, check_points_copy
from treering.adapters.log_copy import LogCopy
from treering.adapters.points_copy import POINTS_FILE, POINTS_STREAM, PointsCopy, check_sealed, last_seal
from treering.adapters.streams import stream_state
from treering.config import Home
from treering.domain.metric_stream import KEY, METRIC_STREAM, SealMetricStream
from treering.kernel.clock import new_id, now
from treering.kernel.command import Context
from treering.kernel.log import LogDamaged, LogUnavailable
from treering.kernel.projector import Projector
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address

SEAL_SECONDS = 60.0
GATHER_SECONDS = 0.25  # a transaction, and so a sync, for all that came meanwhile
ADDRESS = Address("main", METRIC_STREAM.kind, KEY)
SELF = "service:monitor"
log = structlog.get_logger()


@dataclass
class PointsKeeper:
    """``log`` is the second copy of the log, which says what was sealed."""

    client: Client
    copy: PointsCopy
    log: LogCopy
    projector: Projector

    async def check(self) -> None:
        """At the start, before anything is added to the copy; LogDamaged when the points are not what they were."""
        await check_points_copy(self.client, self.copy, self.log)

    async def watch_once(self) -> None:
        await check_against(self.client, await self.copy.checkpoint(), "their second copy", PointsCopy.source)

    async def head(self) -> int:
        """The position of the stream's last message."""
        return (await stream_state(self.client, POINTS_STREAM)).last

    async def caught_up(self) -> None:
        """What was in the stream when this was asked is in the copy."""
        await self.projector.reached(await self.head())

    async def run(self) -> None:
        """Seal what is new, at most once in SEAL_SECONDS; LogDamaged when the points are not what was sealed."""
        end = await self.head()
        while self.copy.tree.size < end:
            await self.projector.moved.wait()
        await check_sealed(self.copy, self.log)
        while True:
            sealed = (await self.log.read(last_seal)).positions
            while self.copy.tree.size <= sealed:
                await self.projector.moved.wait()
            await asyncio.sleep(SEAL_SECONDS)
            await self.seal()

    async def seal(self) -> None:
        """Have the log told what the points are now; LogDamaged when it knows otherwise."""
        tree = self.copy.tree  # The copy replaces it and never changes it.
        if tree.size == 0:
            return
        command = SealMetricStream(tree.size, tree.root().hex())
        try:
            await Commands(self.client, "monitor").send(ADDRESS, command, Context(new_id(), now(), SELF))
        except LogUnavailable as error:
            log.warning("points.not_sealed", why=str(error))
        except Refused as refused:
            if refused.code != "metric_stream.set_back":
                log.warning("points.not_sealed", why=refused.detail)
                return
            raise LogDamaged(f"the metric points are not those that the log was told of: {refused.detail}") from None


@asynccontextmanager
async def points_keeper(home: Home, client: Client, copy: LogCopy) -> AsyncIterator[PointsKeeper]:
    """The copy's file, closed at the end; CopyDamaged when it is not as it was left."""
    points = PointsCopy(home.copy / POINTS_FILE)
    await points.open()
    try:
        stream = JetStreamLog(client, POINTS_STREAM)
        subject = PointsCopy.source.subject
        projector = Projector(stream, points, subject=subject, gather_seconds=GATHER_SECONDS)
        yield PointsKeeper(client, points, copy, projector)
    finally:
        await points.close()
