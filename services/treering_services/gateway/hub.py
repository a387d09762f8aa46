"""Each event read once and written once, for all who watch.

    log --one follower--> ring of the newest commits --by address--> groups (one a selection) --cursor--> subscribers

A subscriber is a cursor into its group: no queue of its own, so one that does not read costs what the ring costs,
once, for all of them. What has left the ring is read from the log again, at the subscriber's own pace.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile

from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_epochs import read_lineage, with_entry
from treering.domain.installation import EPOCHS
from treering.kernel.ending import end
from treering.kernel.epochs import Lineage
from treering.kernel.feed import Feed
from treering.kernel.log import Entry
from treering.views.selection import Selection, addresses_of
from treering_services.gateway.audience import Audience, Frame, Watcher
from treering_services.gateway.tail import HEARTBEAT_SECONDS

RING_COMMITS_MAX = 8192
RING_BYTES_MAX = 16 * 1024 * 1024
# A direct read may be answered by a replica that is a little behind; the newest commits come from the follower.
SEAM_POSITIONS = 1000
CHUNK_BYTES_MAX = 64 * 1024
JOINED_MAX = 64


class Group:
    """The commits of the ring behind ``since`` that one selection wants, each written once. A cursor stays good when
    earlier commits are put before it, or leave the ring."""

    def __init__(self, selection: Selection, since: int) -> None:
        self.selection = selection
        self.since = since
        self.subscribers = 0
        self.moved = asyncio.Event()
        self.dropped = 0
        self.positions: list[int] = []
        self.written: list[bytes] = []
        self.joined: dict[int, tuple[int, bytes]] = {}

    @property
    def end(self) -> int:
        return self.dropped + len(self.positions)

    def add(self, frame: Frame) -> bool:
        written = self.wanted(frame)
        if not written:
            return False
        self.positions.append(frame.position)
        self.written.append(written)
        self.joined.clear()
        return True

    def wanted(self, frame: Frame) -> bytes:
        select = self.selection
        parts = [part for type, part in frame.written(select.lines, select.plain) if select.wants(type)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def put_before(self, frames: Iterable[Frame], since: int) -> None:
        """Older commits, for somebody who begins behind ``since``."""
        found = [(frame.position, written) for frame in frames if (written := self.wanted(frame))]
        self.positions[:0] = [position for position, _ in found]
        self.written[:0] = [written for _, written in found]
        self.dropped -= len(found)
        self.since = since

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
        self.by_address: dict[tuple[str, str, str], Audience] = {}
        self.lineage = Lineage()
        self.turns = 0  # how often the log went back: what subscribers have seen may be of another log then
        self.floor = 0
        self.position = 0
        self.moved = asyncio.Event()

    async def start(self) -> None:
        """Before the first subscriber: where the ring begins."""
        self.floor = self.position = max(await self.log.head() - SEAM_POSITIONS, 0)
        self.lineage = await read_lineage(self.log)

    async def run(self) -> None:
        ticking = asyncio.create_task(self.tick())
        try:
            async for batch in self.feed.follow(after=self.position):
                if batch[0].position <= self.position:
                    self.go_back(batch[0].position - 1, await read_lineage(self.log))
                self.add(batch)
        finally:
            await end(ticking)

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
            if entry.subject == EPOCHS.subject:
                self.lineage = with_entry(self.lineage, entry)
            frame = self.frame(entry)
            for watcher in self.watchers_of(frame):
                if watcher.add(frame):
                    touched[id(watcher)] = watcher
            frame.settle()
            self.ring.append(frame)
            self.ring_bytes += len(entry.body)
        self.position = batch[-1].position
        while len(self.ring) > RING_COMMITS_MAX or self.ring_bytes > RING_BYTES_MAX:
            self.drop_oldest()
        for watcher in touched.values():
            watcher.wake()
        self.wake()

    def frame(self, entry: Entry) -> Frame:
        return Frame(entry, self.lineage.epoch_of(entry.position))

    def go_back(self, position: int, lineage: Lineage) -> None:
        """The log was restored, and is another one behind ``position``. Streams end, so that each is judged by the id
        it comes back with."""
        self.turns += 1
        self.lineage = lineage
        while self.ring:
            self.drop_oldest()
        self.floor = self.position = position
        for group in self.groups.values():
            group.since = position
        self.wake_all()

    def drop_oldest(self) -> None:
        frame = self.ring.popleft()
        self.ring_bytes -= len(frame.entry.body)
        self.floor = frame.position
        for watcher in self.watchers_of(frame):
            watcher.drop(frame.position)

    def behind(self, position: int) -> Iterator[Frame]:
        """What the ring has behind ``position``."""
        return islice(self.ring, bisect_right(self.ring, position, key=lambda frame: frame.position), None)

    def watchers_of(self, frame: Frame) -> list[Watcher]:
        found: list[Watcher] = []
        for address in addresses_of(frame.address):
            if (audience := self.by_address.get(address)) is not None:
                found += audience.concerned(frame)
        return found

    def join(self, selection: Selection, after: int) -> Group:
        """The group of ``selection``, with what the ring has for it behind ``after``. Each needs a ``leave``."""
        group = self.groups.get(selection)
        if group is None:
            group = self.groups[selection] = Group(selection, self.position)
            self.watch(group)
        if after < group.since:
            older = takewhile(lambda frame: frame.position <= group.since, self.behind(after))
            group.put_before([frame for frame in older if selection.selects(frame.address)], after)
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
        self.by_address.setdefault(watcher.selection.address, Audience()).add(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        audience = self.by_address[watcher.selection.address]
        audience.remove(watcher)
        if not (audience.asked or audience.by_type):
            del self.by_address[watcher.selection.address]
