"""A stream for one reader: history, then live, with memory that is bounded however slow the reader is.

Each reader has a consumer of its own. When it does not keep up its consumer is closed, and a new one starts
where it ended once it has read what was waiting; nobody else waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Protocol

from nats.aio.client import Client

from treering.adapters.follower import Message, follow_stream
from treering.kernel.ending import end
from treering.kernel.refusal import Refused
from treering.views.cloud_events import Numbered
from treering_services.gateway.http.limits import Limits
from treering_services.gateway.http.shares import Share

WAITING_BATCHES_MAX = 8
HEARTBEAT_SECONDS = 15.0
EVENT_STREAM = "text/event-stream"
HEARTBEAT = b": still here\n"  # a comment; an empty line has to follow


class Tail:
    """Use as ``async for batch in tail.batches(idle_seconds)``: an empty batch means nothing came for so long."""

    def __init__(self, client: Client, stream: str, *, after: int, subject: str, owner: str = "") -> None:
        self.owner = owner
        self.client = client
        self.stream = stream
        self.after = after
        self.subject = subject
        self.waiting: asyncio.Queue[list[Message]] = asyncio.Queue(WAITING_BATCHES_MAX)
        self.emptied = asyncio.Event()
        self.ended = False

    async def batches(self, idle_seconds: Callable[[], float]) -> AsyncIterator[list[Message]]:
        """Until ``end``. ``idle_seconds`` is asked anew before every wait."""
        pump = asyncio.create_task(self.pump())
        try:
            while not self.ended:
                yield await self.next_batch(pump, idle_seconds())
        finally:
            await end(pump)

    async def next_batch(self, pump: asyncio.Task[None], idle_seconds: float) -> list[Message]:
        try:
            async with asyncio.timeout(idle_seconds):
                batch = await self.waiting.get()
        except TimeoutError:
            if pump.done():
                pump.result()
            return []
        if self.waiting.empty():
            self.emptied.set()
        return batch

    async def pump(self) -> None:
        while True:
            await self.fill()
            self.emptied.clear()
            if not self.waiting.empty():
                await self.emptied.wait()

    async def fill(self) -> None:
        """Take from a consumer until the reader has enough to do."""
        messages = follow_stream(self.client, self.stream, after=self.after, subject=self.subject)
        async with aclosing(messages) as batches:  # type: ignore[type-var]
            async for batch in batches:
                self.after = batch[-1].position
                self.waiting.put_nowait(batch)
                if self.waiting.full():
                    return

    def end(self) -> None:
        self.ended = True
        if self.waiting.empty():
            self.waiting.put_nowait([])


class Endable(Protocol):
    owner: str  # the caller's key; of a subscriber its actor, "subscriber:<name>"

    def end(self) -> None: ...


class OpenStreams:
    """Counts the open streams, and ends them all when the gateway stops."""

    def __init__(self, stopping: asyncio.Event, limits: Limits) -> None:
        self.stopping = stopping
        self.share = Share("streams", limits.streams, limits.streams_each)
        self.tails: set[Endable] = set()

    def check_room(self, owner: str) -> None:
        if self.stopping.is_set():
            raise Refused("service.busy", "the gateway is about to stop; try again")
        self.share.check(owner)

    async def read(self, tail: Tail, idle_seconds: Callable[[], float]) -> AsyncIterator[list[Message]]:
        self.add(tail)
        try:
            async with aclosing(tail.batches(idle_seconds)) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    yield batch
        finally:
            self.discard(tail)

    def add(self, stream: Endable) -> None:
        """``Refused``: ``caller.busy``; ``service.busy`` when there are too many or the gateway is about to stop."""
        self.check_room(stream.owner)
        self.share.take(stream.owner)
        self.tails.add(stream)

    def discard(self, stream: Endable) -> None:
        if stream in self.tails:
            self.tails.remove(stream)
            self.share.give_back(stream.owner)

    def end_of(self, owner: str) -> None:
        """End those of one subscriber (``subscriber:<name>``), who is not let in any more."""
        for tail in self.tails:
            if tail.owner == owner:
                tail.end()

    def end(self) -> None:
        self.stopping.set()
        for tail in self.tails:
            tail.end()


def sse(event: str, id: str, data: bytes) -> bytes:
    """One server-sent event; ``data`` is JSON, which has no line breaks outside its strings."""
    head = (f"event: {event}\n" if event else "") + (f"id: {id}\n" if id else "")
    return head.encode() + b"data: " + data + b"\n\n"


def written_event(one: Numbered, lines: bool, plain: bool = False) -> bytes:
    """The event as a subscriber reads it; ``plain``: its type only in its data."""
    body = one.body
    if lines:
        return body + b"\n"
    return sse("" if plain else one.event.type.replace("\n", " ").replace("\r", " "), one.id, body)
