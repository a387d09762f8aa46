"""Subscriptions over NATS: a request on ``sub.<name>`` is answered with the next events, as soon as there are some.

    ask(since, wait) --> log (behind the ring) or ring --> batch + next     the asker says next as its next since
                                    |nothing: wait for the hub, at most wait_seconds, then an empty batch

The gateway keeps nothing about a subscriber between two requests: who asks again after a lost answer gets the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import msgspec
from msgspec import Struct

from treering.kernel.asking import Asker, asking
from treering.kernel.bounds import AnySeconds, Line, Name, Size, Small
from treering.kernel.clock import monotonic_seconds
from treering.kernel.decoding import decode_once
from treering.kernel.epochs import read_id
from treering.kernel.log import LogUnavailable, encoder
from treering.kernel.refusal import Refused
from treering.views.selection import Selection
from treering_services.gateway.access_files import subscriber_address
from treering_services.gateway.audience import Frame
from treering_services.gateway.call import Caller
from treering_services.gateway.core import Gateway
from treering_services.gateway.events import EventsQuery, selection_of
from treering_services.gateway.hub import Hub
from treering_services.gateway.subscriber import Start, page_behind, start_at

REQUEST_BYTES_MAX = 16 * 1024
EVENTS_DEFAULT = 100
EVENTS_MAX = 500
BATCH_BYTES_MAX = 512 * 1024  # unless one event alone is longer: what made it fitted into a message, so it does too
WAIT_SECONDS_MAX = 30.0
CATCH_UP_SECONDS_MAX = 5.0  # of reading on in the log for somebody who does not want to wait
UNDER_WAY_MAX = 4  # requests of one subscriber at once


class BatchRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request. ``since``: "" is the beginning, "now", an event's id, a position, or the ``next`` of an
    answer.
    ``kind``, ``name`` and ``type`` as in ``GET /v1/events``."""

    since: Size | Name = ""
    kind: Name = ""
    name: Name = ""
    type: Line = ""
    limit: Small = EVENTS_DEFAULT
    wait_seconds: AnySeconds = 0.0


class Batch(Struct, frozen=True):
    """``next``: say it as ``since`` to go on behind these. ``caught_up`` False: there is more, ask again at once."""

    events: list[msgspec.Raw]
    next: str
    caught_up: bool


class Poll:
    """One request under way. ``start`` is where the next one goes on; the hub wakes it when its like has come."""

    def __init__(self, hub: Hub, selection: Selection, start: Start, events_max: int, owner: str) -> None:
        self.hub = hub
        self.selection = selection
        self.start = start
        self.events_max = events_max
        self.owner = owner
        self.events: list[msgspec.Raw] = []
        self.size_bytes = 0
        self.turns = hub.turns
        self.moved = asyncio.Event()
        self.ended = False

    def add(self, frame: Frame) -> bool:
        return any(self.selection.wants(type) for type, _ in frame.written(True))

    def drop(self, position: int) -> None:
        """It keeps no place in the ring."""

    def wake(self) -> None:
        self.moved.set()

    def end(self) -> None:
        """Answer now: the gateway stops."""
        self.ended = True
        self.wake()

    async def collect(self, wait_seconds: float) -> Batch:
        """What lies behind ``start``; when there is nothing, what comes in the next ``wait_seconds``."""
        asked_at = monotonic_seconds()
        self.hub.watch(self)
        try:
            while True:
                waited_seconds = monotonic_seconds() - asked_at
                if self.turns != self.hub.turns:
                    raise LogUnavailable("the log was restored meanwhile; ask again")
                if self.start.after < self.hub.floor:
                    await self.read_page()
                    over = waited_seconds >= max(wait_seconds, CATCH_UP_SECONDS_MAX)
                else:
                    self.moved.clear()
                    self.read_ring()
                    over = waited_seconds >= wait_seconds
                if self.events or self.ended or over:
                    return Batch(self.events, self.start.id(self.hub.lineage), self.start.after >= self.hub.position)
                if self.start.after >= self.hub.floor:
                    await self.wait(wait_seconds - waited_seconds)
        finally:
            self.hub.unwatch(self)

    async def read_page(self) -> None:
        goal = self.hub.floor
        page = await page_behind(self.hub, self.start.after, self.selection)
        for entry in page:
            if not self.take(self.hub.frame(entry)):
                return
        if not page:
            self.passed(goal)

    def read_ring(self) -> None:
        for frame in self.hub.behind(self.start.after):
            if self.selection.selects(frame.address) and not self.take(frame):
                return
        self.passed(self.hub.position)

    def take(self, frame: Frame) -> bool:
        """Its events into the batch; False when not all have room: then ``start`` is the first of the others."""
        skip = self.start.skip if frame.position == self.start.after + 1 else 0
        for index, (type, line) in enumerate(frame.written(True)):
            if index < skip or not self.selection.wants(type):
                continue
            if self.events and not self.room_for(line):
                self.start = Start(frame.position - 1, index)
                return False
            self.events.append(msgspec.Raw(line[:-1]))
            self.size_bytes += len(line)
        self.passed(frame.position)
        return True

    def room_for(self, line: bytes) -> bool:
        return len(self.events) < self.events_max and self.size_bytes + len(line) <= BATCH_BYTES_MAX

    def passed(self, position: int) -> None:
        if position > self.start.after:
            self.start = Start(position)

    async def wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.moved.wait()
        if not self.moved.is_set():  # nothing of its like has come up to here, however far the ring has gone on
            self.passed(self.hub.position)


class Polls:
    """The handler of ``sub.*.*``: NATS lets each subscriber ask under its own name only, and its file says where."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.under_way: Counter[str] = Counter()

    async def handle(self, subject: str, body: bytes) -> bytes:
        name = subject.rpartition(".")[2]
        subscriber = await asyncio.to_thread(self.gateway.subscribers.named, name)
        await self.gateway.access.require(subscriber_address(subscriber))
        asked = checked(decode_once(body or b"{}", BatchRequest, bytes_max=REQUEST_BYTES_MAX))
        if self.under_way[name] >= UNDER_WAY_MAX:
            raise Refused("service.busy", f"{UNDER_WAY_MAX} requests of {name!r} are under way; wait for an answer")
        self.under_way[name] += 1
        asking.set(Asker(Caller("subscriber", "", subscriber.workspace, name).key))
        try:
            batch = await self.poll(asked, subscriber.workspace, f"subscriber:{name}")
        finally:
            self.under_way -= Counter((name,))
        if await asyncio.to_thread(self.gateway.subscribers.named, name) != subscriber:  # removed while it waited
            raise Refused("subscriber.absent", f"{name!r} is another subscriber now")
        return encoder.encode(batch)

    async def poll(self, asked: BatchRequest, workspace: str, owner: str) -> Batch:
        query = EventsQuery(ws=workspace, kind=asked.kind, name=asked.name, type=asked.type)
        await self.gateway.require_workspace(workspace)
        start = await self.start_of(str(asked.since))
        poll = Poll(self.gateway.hub, selection_of(query, lines=True), start, asked.limit, owner)
        self.gateway.open_streams.add(poll)
        try:
            return await poll.collect(asked.wait_seconds)
        finally:
            self.gateway.open_streams.discard(poll)

    async def start_of(self, since: str) -> Start:
        if since == "now":
            return Start(await self.gateway.log.head())
        place = read_id(since or "0")
        if place is None:
            why = "it must be an event's id, a position, the next of an answer, or 'now'"
            raise Refused("request.query", f"since is {since[:40]!r}; {why}")
        return await start_at(self.gateway.hub, place)


def checked(asked: BatchRequest) -> BatchRequest:
    if not 1 <= asked.limit <= EVENTS_MAX:
        raise Refused("request.query", f"limit is {asked.limit}; it must be 1 to {EVENTS_MAX}")
    if not 0 <= asked.wait_seconds <= WAIT_SECONDS_MAX:
        raise Refused("request.query", f"wait_seconds is {asked.wait_seconds:g}; it must be 0 to {WAIT_SECONDS_MAX:g}")
    return asked
