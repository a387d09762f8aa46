"""Each event read once and written once, for all who watch.

    log --one follower--> ring of the newest commits --by address--> groups (one a selection) --cursor--> subscribers

A subscriber is a cursor into its group: no queue of its own, so one that does not read costs what the ring costs,
once, for all of them. What has left the ring is read from the log again, at the subscriber's own pace.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

from treering.adapters.jetstream_log import JetStreamLog
from treering.kernel.feed import Feed
from treering.kernel.log import Entry
from treering.kernel.subjects import address_of
from treering.views.cloud_events import cloud_events
from treering.views.selection import Selection, addresses_of
from treering_services.gateway.tail import HEARTBEAT_SECONDS, written_event

RING_COMMITS_MAX = 8192
RING_BYTES_MAX = 16 * 1024 * 1024
# A direct read may be answered by a replica that is a little behind; the newest commits come from the follower.
SEAM_POSITIONS = 1000
CHUNK_BYTES_MAX = 64 * 1024
JOINED_MAX = 64


class Frame:
    """A commit in the ring; written once a form, when the first subscriber wants it."""

    __slots__ = ("address", "entry", "parts", "position")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.position = entry.position
        self.address = address_of(entry.subject)
        self.parts: dict[bool, list[tuple[str, bytes]]] = {}

    def written(self, lines: bool) -> list[tuple[str, bytes]]:
        """Each event's type and bytes."""
        if lines not in self.parts:
            self.parts[lines] = [(one.event.type, written_event(one, lines)) for one in cloud_events(self.entry)]
        return self.parts[lines]


class Watcher(Protocol):
    """Is told of each commit that its selection's address selects."""

    selection: Selection

    def add(self, frame: Frame) -> bool:
        """Whether it wants some of it, and so is to be woken when the hub has gone on."""

    def drop(self, position: int) -> None: ...

    def wake(self) -> None: ...


class Group:
    """The commits in the ring that one selection wants, each written once. Cursors count from its first one."""

    def __init__(self, selection: Selection, frames: Sequence[Frame]) -> None:
        self.selection = selection
        self.subscribers = 0
        self.moved = asyncio.Event()
        self.dropped = 0
        self.positions: list[int] = []
        self.written: list[bytes] = []
        self.joined: dict[int, tuple[int, bytes]] = {}
        for frame in frames:
            self.add(frame)

    @property
    def end(self) -> int:
        return self.dropped + len(self.positions)

    def add(self, frame: Frame) -> bool:
        select = self.selection
        parts = [part for type, part in frame.written(select.lines) if select.wants(type)]
        if not parts:
            return False
        self.positions.append(frame.position)
        self.written.append(parts[0] if len(parts) == 1 else b"".join(parts))
        self.joined.clear()
        return True

    def drop(self, position: int) -> None:
        """The commit at ``position`` has left the ring."""
        if self.positions and self.positions[0] == position:
            del self.positions[0], self.written[0]
            self.dropped += 1

    def cursor_behind(self, position: int) -> int:
        return self.dropped + bisect_right(self.positions, position)

    def take(self, cursor: int) -> tuple[int, bytes]:
        """What is there from ``cursor`` on, as one chunk, and the next cursor. Joined once for all at one cursor."""
        known = self.joined.get(cursor)
        if known is not None:
            return known
        at, size_bytes, parts = cursor - self.dropped, 0, list[bytes]()
        while at < len(self.written) and size_bytes < CHUNK_BYTES_MAX:
            parts.append(self.written[at])
            size_bytes += len(parts[-1])
            at += 1
        taken = (self.dropped + at, b"".join(parts) if len(parts) > 1 else parts[0])
        if len(self.joined) < JOINED_MAX:
            self.joined[cursor] = taken
        return taken

    def wake(self) -> None:
        self.moved.set()
        self.moved = asyncio.Event()


class Hub:
    """``run`` follows the log. Everything the log has up to ``position`` and behind ``floor`` is in the ring."""

    def __init__(self, log: JetStreamLog, feed: Feed) -> None:
        self.log = log
        self.feed = feed
        self.ring: deque[Frame] = deque()
        self.ring_bytes = 0
        self.groups: dict[Selection, Group] = {}
        self.by_address: dict[tuple[str, str, str], list[Watcher]] = {}
        self.floor = 0
        self.position = 0
        self.moved = asyncio.Event()

    async def start(self) -> None:
        """Before the first subscriber: where the ring begins."""
        self.floor = self.position = max(await self.log.head() - SEAM_POSITIONS, 0)

    async def run(self) -> None:
        ticking = asyncio.create_task(self.tick())
        try:
            async for batch in self.feed.follow(after=self.position):
                self.add(batch)
        finally:
            ticking.cancel()

    async def tick(self) -> None:
        """Wakes everybody now and then, so that each can give its client a sign of life."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self.wake_all()

    def wake_all(self) -> None:
        for group in self.groups.values():
            group.wake()
        self.wake()

    def wake(self) -> None:
        """Those who wait for the hub itself to move on."""
        self.moved.set()
        self.moved = asyncio.Event()

    def add(self, batch: Sequence[Entry]) -> None:
        """Put a batch into the ring and wake whom it concerns."""
        touched: dict[int, Watcher] = {}
        for entry in batch:
            frame = Frame(entry)
            for group in self.groups_of(frame):
                if group.add(frame):
                    touched[id(group)] = group
            self.ring.append(frame)
            self.ring_bytes += len(entry.body)
        self.position = batch[-1].position
        while len(self.ring) > RING_COMMITS_MAX or self.ring_bytes > RING_BYTES_MAX:
            self.drop_oldest()
        for group in touched.values():
            group.wake()
        self.wake()

    def drop_oldest(self) -> None:
        frame = self.ring.popleft()
        self.ring_bytes -= len(frame.entry.body)
        self.floor = frame.position
        for group in self.groups_of(frame):
            group.drop(frame.position)

    def behind(self, position: int) -> Iterator[Frame]:
        """What the ring has behind ``position``."""
        return islice(self.ring, bisect_right(self.ring, position, key=lambda frame: frame.position), None)

    def groups_of(self, frame: Frame) -> list[Watcher]:
        found: list[Watcher] = []
        for address in addresses_of(frame.address):
            found += self.by_address.get(address, ())
        return found

    def join(self, selection: Selection) -> Group:
        """The group of ``selection``, with what the ring has for it. Each ``join`` needs a ``leave``."""
        group = self.groups.get(selection)
        if group is None:
            frames = [one for one in self.ring if selection.selects(one.address)]
            group = self.groups[selection] = Group(selection, frames)
            self.watch(group)
        group.subscribers += 1
        return group

    def leave(self, group: Group) -> None:
        group.subscribers -= 1
        if group.subscribers:
            return
        del self.groups[group.selection]
        self.unwatch(group)

    def watch(self, watcher: Watcher) -> None:
        """Tell it of what comes from now on. Each ``watch`` needs an ``unwatch``."""
        self.by_address.setdefault(watcher.selection.address, []).append(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        others = self.by_address[watcher.selection.address]
        others.remove(watcher)
        if not others:
            del self.by_address[watcher.selection.address]
