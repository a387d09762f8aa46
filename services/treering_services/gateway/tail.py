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
from treering.kernel.log import encoder
from treering.kernel.refusal import Refused
from treering.views.cloud_events import Numbered

WAITING_BATCHES_MAX = 8
STREAMS_MAX = 1500
HEARTBEAT_SECONDS = 15.0
EVENT_STREAM = "text/event-stream"
HEARTBEAT = b": still here\n\n"


class Tail:
    """Use as ``async for batch in tail.batches(idle_seconds)``: an empty batch means nothing came for so long."""

    def __init__(self, client: Client, stream: str, *, after: int, subject: str) -> None:
        self.owner = ""
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
            pump.cancel()
            await asyncio.wait({pump})

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
    owner: str  # "subscriber:<name>", "" for all others

    def end(self) -> None: ...


class OpenStreams:
    """Counts the open streams, and ends them all when the gateway stops."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self.stopping = stopping
        self.tails: set[Endable] = set()

    def check_room(self) -> None:
        if len(self.tails) >= STREAMS_MAX or self.stopping.is_set():
            raise Refused("service.busy", f"{STREAMS_MAX} streams are open already; close one, or try again")

    async def read(self, tail: Tail, idle_seconds: Callable[[], float]) -> AsyncIterator[list[Message]]:
        self.add(tail)
        try:
            async with aclosing(tail.batches(idle_seconds)) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    yield batch
        finally:
            self.discard(tail)

    def add(self, stream: Endable) -> None:
        """``Refused("service.busy")`` when there are too many, or the gateway is about to stop."""
        self.check_room()
        self.tails.add(stream)

    def discard(self, stream: Endable) -> None:
        self.tails.discard(stream)

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
    head = f"event: {event}\nid: {id}\n" if id else f"event: {event}\n"
    return head.encode() + b"data: " + data + b"\n\n"


def written_event(one: Numbered, lines: bool) -> bytes:
    """The event as a subscriber reads it."""
    body = encoder.encode(one.event)
    return body + b"\n" if lines else sse(one.event.type.replace("\n", " ").replace("\r", " "), one.id, body)
