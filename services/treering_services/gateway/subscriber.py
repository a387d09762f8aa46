"""One subscriber: from a position in the log into what happens now, without a seam."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from msgspec import Struct
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from treering.kernel.asking import asking
from treering.kernel.clock import monotonic_seconds
from treering.kernel.ending import end
from treering.kernel.epochs import Lineage, Place, check_common
from treering.kernel.log import Entry
from treering.kernel.turns import Turns
from treering.kernel.turnstile import Turnstile
from treering.views.cloud_events import Numbered, cloud_events
from treering.views.selection import Selection
from treering_services.gateway.http.limits import STREAMS_MAX
from treering_services.gateway.hub import Group, Hub
from treering_services.gateway.tail import EVENT_STREAM, HEARTBEAT, HEARTBEAT_SECONDS, OpenStreams, written_event

PAGE = 256
PAGE_BYTES_MAX = 1024 * 1024
READING_MAX = 16  # pages of the log in memory at once, for all who catch up
LINES = "application/x-ndjson"
reading = Turnstile(Turns(READING_MAX, "pages", STREAMS_MAX, 2 * STREAMS_MAX))


class Start(Struct, frozen=True):
    """Send what lies behind commit ``after``, without the first ``skip`` events of the next one. ``is_now``: where that
    is the client does not know, and is told at once: it comes back there when it loses us before the first event."""

    after: int
    skip: int = 0
    is_now: bool = False

    def id(self, lineage: Lineage) -> str:
        """A position, or the id of the last event that is left out."""
        return lineage.id(self.after + 1, self.skip - 1) if self.skip else lineage.id(self.after)

    def wants(self, event: Numbered) -> bool:
        return event.position > self.after + 1 or event.index >= self.skip


class Subscriber:
    """``after`` is the commit up to which all has been given out; ``owner`` is the subscriber whose token it is."""

    def __init__(self, hub: Hub, selection: Selection, start: Start, owner: str = "") -> None:
        self.owner = owner
        self.hub = hub
        self.selection = selection
        self.start = start
        self.after = start.after
        self.turns = hub.turns
        self.ended = asyncio.Event()
        self.waits_for: Group | Hub = hub

    def end(self) -> None:
        """Stop after what is being sent now."""
        self.ended.set()
        self.waits_for.wake()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Bytes for the client until ``end``, or the log is another one; "" when there was nothing for a while."""
        if self.start.skip:
            async for chunk in self.rest_of_commit():
                yield chunk
        while not self.is_over:
            if self.after < self.hub.floor:
                async for chunk in self.catch_up():
                    yield chunk
            elif self.after > self.hub.position:
                await self.wait_for(self.hub)
                yield b""
            else:
                async for chunk in self.live():
                    yield chunk

    @property
    def is_over(self) -> bool:
        return self.ended.is_set() or self.turns != self.hub.turns

    async def rest_of_commit(self) -> AsyncIterator[bytes]:
        """The client came back in the middle of a commit."""
        entry = await self.hub.log.at(self.after + 1)
        self.after += 1
        if entry is not None and matches(entry.subject, self.selection.subject):
            yield self.written(entry)

    async def catch_up(self) -> AsyncIterator[bytes]:
        """Read from the log up to where the ring begins, which may move on meanwhile."""
        goal = self.hub.floor
        while self.after < goal and not self.is_over:
            page = await page_behind(self.hub, self.after, self.selection)
            self.after = page[-1].position if page else goal
            yield b"".join([self.written(entry) for entry in page])

    def written(self, entry: Entry) -> bytes:
        select, start = self.selection, self.start
        epoch = self.hub.lineage.epoch_of(entry.position)
        events = [one for one in cloud_events(entry, epoch) if start.wants(one) and select.wants(one.event.type)]
        return b"".join([written_event(one, select.lines, select.plain) for one in events])

    async def live(self) -> AsyncIterator[bytes]:
        """Out of the ring, until it has gone on without us."""
        group = self.hub.join(self.selection, self.after)
        try:
            cursor = group.cursor_behind(self.after)
            while not self.is_over:
                if cursor < group.dropped:
                    return
                if cursor == group.end:
                    self.after = max(self.after, self.hub.position)
                    await self.wait_for(group)
                    if cursor == group.end:
                        yield b""
                    continue
                cursor, chunk = group.take(cursor)
                self.after = self.position_before(group, cursor)
                yield chunk
        finally:
            self.hub.leave(group)

    def position_before(self, group: Group, cursor: int) -> int:
        return group.positions[cursor - group.dropped - 1]

    async def wait_for(self, mover: Group | Hub) -> None:
        self.waits_for = mover
        if not self.ended.is_set():
            await mover.moved.wait()


async def start_at(hub: Hub, place: Place, field: str = "since") -> Start:
    """``Refused("position.other_log")`` where this log is not the one in which somebody has come to ``place``: he would
    miss events without a word."""
    if place.position > hub.lineage.common(place.epoch, hub.position):
        check_common(hub.lineage, place, await hub.log.head(), field)
    return Start(place.after, place.skip)


async def page_behind(hub: Hub, after: int, selection: Selection) -> list[Entry]:
    """The next commits behind ``after`` on the subject of ``selection``, out of the log; callers take turns."""
    query: dict[str, object] = {"seq": after + 1, "batch": PAGE, "next_by_subj": selection.subject}
    caller = await reading.enter(asking.get())
    try:
        return await hub.log.read_batch({**query, "max_bytes": PAGE_BYTES_MAX})
    finally:
        reading.leave(caller)


def matches(subject: str, filter: str) -> bool:
    pairs = zip(subject.split("."), filter.split("."), strict=True)
    return all(wanted in ("*", token) for token, wanted in pairs)


class SubscriberResponse(Response):
    """Streams to one client. A client that goes away is noticed at once, not when the next event comes."""

    def __init__(self, subscriber: Subscriber, open_streams: OpenStreams, *, heartbeats: bool = False) -> None:
        """``heartbeats``: JSON lines carry the position too, in a line that is no event."""
        lines = subscriber.selection.lines
        self.heartbeats = heartbeats
        self.status_code = 200
        self.raw_headers = [
            (b"content-type", (LINES if lines else EVENT_STREAM).encode()),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        self.subscriber = subscriber
        self.open_streams = open_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.open_streams.add(self.subscriber)
        watching = asyncio.create_task(self.gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self.send_all(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.open_streams.discard(self.subscriber)
            await end(watching)

    async def send_all(self, send: Send) -> None:
        sent_at = monotonic_seconds()
        if self.subscriber.start.is_now:
            await send({"type": "http.response.body", "body": self.heartbeat(), "more_body": True})
        async for chunk in self.subscriber.chunks():
            if not chunk and monotonic_seconds() - sent_at < HEARTBEAT_SECONDS - 1:
                continue
            sent_at = monotonic_seconds()
            await send({"type": "http.response.body", "body": chunk or self.heartbeat(), "more_body": True})

    def heartbeat(self) -> bytes:
        """A sign of life, with the position up to which nothing more was selected: a client that comes back with it
        does not read all that again."""
        id = self.subscriber.hub.lineage.id(self.subscriber.after)
        if not self.subscriber.selection.lines:
            return HEARTBEAT + f"id: {id}\n\n".encode()
        return f'{{"heartbeat":"{id}"}}\n'.encode() if self.heartbeats else b"\n"

    async def gone(self, receive: Receive) -> None:
        with suppress(OSError):
            while (await receive())["type"] != "http.disconnect":
                pass
        self.subscriber.end()
