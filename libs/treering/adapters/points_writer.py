"""Metric points into the stream MET: what waits at the same moment is packed into one message.

A nats-server with ``sync_interval: always`` syncs once a message. So the points of all requests that wait, of any
runs, share one: while it is on its way the next ones gather (docs/adr/0006-points.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

import msgspec
from nats.aio.client import Client

from treering.adapters.appender import Appender
from treering.kernel.clock import new_id, now
from treering.kernel.log import LogUnavailable, encoder
from treering.kernel.points import SUBJECT, RunPoints
from treering.kernel.subjects import encode_token

MESSAGE_BYTES_MAX = 768 * 1024  # below the 1 MiB of a NATS message; one request may fill more than half of it
WAITING_MAX = 20_000


class Waiting(NamedTuple):
    workspace: str
    body: bytes
    done: asyncio.Future[int]


class PointsWriter:
    """One per process: takes points, answers each request with the position of its message when it is on disk."""

    def __init__(self, client: Client) -> None:
        self.appender = Appender(client)
        self.waiting: deque[Waiting] = deque()
        self.running: asyncio.Task[None] | None = None

    async def write(self, workspace: str, points: RunPoints) -> int:
        """Store the points durably; LogUnavailable when that is not known. Said twice, they are shown once."""
        if len(self.waiting) >= WAITING_MAX:
            raise LogUnavailable(f"{WAITING_MAX} requests with metric points are waiting already; try again later")
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.waiting.append(Waiting(workspace, encoder.encode(points), done))
        if self.running is None:
            self.running = asyncio.create_task(self.drain())
        return await done

    async def drain(self) -> None:
        try:
            while self.waiting:
                await self.publish(self.next_group())
        finally:
            self.running = None

    def next_group(self) -> list[Waiting]:
        """The next requests in order, of one workspace, as many as a message holds."""
        first = self.waiting.popleft()
        group, size = [first], len(first.body)
        while self.waiting:
            following = self.waiting[0]
            size += len(following.body)
            if following.workspace != first.workspace or size > MESSAGE_BYTES_MAX:
                break
            group.append(self.waiting.popleft())
        return group

    async def publish(self, group: list[Waiting]) -> None:
        id = new_id()
        runs = [msgspec.Raw(waiting.body) for waiting in group]
        body = encoder.encode({"id": id, "at": now(), "runs": runs})
        subject = f"met.{encode_token(group[0].workspace)}.{SUBJECT}"
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
