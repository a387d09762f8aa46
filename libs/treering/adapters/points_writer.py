"""Metric points into the stream MET: what waits at the same moment is packed into one message,
of all callers in turn.

A nats-server with ``sync_interval: always`` syncs once a message. So the points of all requests that wait, of any
runs, share one: while it is on its way the next ones gather (docs/adr/0006-points.md).
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec
from nats.aio.client import Client

from treering.adapters.appender import Appender
from treering.kernel.asking import asking
from treering.kernel.clock import new_id, now
from treering.kernel.in_turn import InTurn
from treering.kernel.log import LogUnavailable, encoder
from treering.kernel.points import SUBJECT, RunPoints
from treering.kernel.subjects import encode_token

MESSAGE_BYTES_MAX = 768 * 1024  # below the 1 MiB of a NATS message; one request may fill more than half of it
WAITING_MAX = 20_000


class Waiting(NamedTuple):
    body: bytes
    done: asyncio.Future[int]


class PointsWriter:
    """One per process: takes points, answers each request with the position of its message when it is on disk."""

    def __init__(self, client: Client) -> None:
        self.appender = Appender(client)
        self.queue: InTurn[Waiting] = InTurn()
        self.running: asyncio.Task[None] | None = None

    async def write(self, workspace: str, points: RunPoints) -> int:
        """Store the points durably; LogUnavailable when that is not known. Said twice, they are shown once."""
        if self.queue.waiting >= WAITING_MAX:
            raise LogUnavailable(f"{WAITING_MAX} requests with metric points are waiting already; try again later")
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        body = encoder.encode(points)
        self.queue.put(workspace, asking.get().caller, Waiting(body, done), len(body))
        if self.running is None:
            self.running = asyncio.create_task(self.drain())
        return await done

    async def drain(self) -> None:
        try:
            while self.queue.waiting:
                await self.publish(*self.queue.next(MESSAGE_BYTES_MAX))
        finally:
            self.running = None

    async def publish(self, workspace: str, group: list[Waiting]) -> None:
        id = new_id()
        runs = [msgspec.Raw(waiting.body) for waiting in group]
        body = encoder.encode({"id": id, "at": now(), "runs": runs})
        subject = f"met.{encode_token(workspace)}.{SUBJECT}"
        try:
            ack = await self.appender.request(subject, body, {"Nats-Msg-Id": id})
            if ack.error is not None:
                raise LogUnavailable(f"the log refused {subject}: {ack.error.description} ({ack.error.err_code})")
        except LogUnavailable as error:
            for waiting in group:
                if not waiting.done.done():
                    waiting.done.set_exception(LogUnavailable(str(error)))
            return
        for waiting in group:
            if not waiting.done.done():
                waiting.done.set_result(ack.seq)
