"""All open connections: those that take too long are closed, and when there are too many an idle one makes room.

Only a connection on which no request is under way makes room. Those that showed no token go before those that did;
among them the address (or the caller) that has the most goes first, with the one that has been silent the longest. A
connection that has just come is the last of its like: it has had no time to say what it wants.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Iterable

import structlog

from treering.kernel.clock import monotonic_seconds
from treering_services.gateway.http.limits import Limits
from treering_services.gateway.http.protocol import LimitedProtocol

LOOK_SECONDS = 1.0
ROOM_SHARE = 64  # a look at all of them makes room for more than one: a 64th of them at a time
TOLD_SECONDS = 60.0
FULL = "every connection there may be is in use; try again"
log = structlog.get_logger()


class Connections:
    """The open connections of one gateway, at most ``limits.connections``."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.open: set[LimitedProtocol] = set()
        self.told_at = -TOLD_SECONDS

    def add(self, connection: LimitedProtocol) -> None:
        """Take it in; with a 503 it is turned away when there is no room and no other is idle."""
        if len(self.open) >= self.limits.connections:
            closed = self.make_room(ROOM_SHARE)
            self.tell(closed)
            if not closed:
                connection.turn_away("service.busy", FULL)
        self.open.add(connection)

    def remove(self, connection: LimitedProtocol) -> None:
        self.open.discard(connection)

    def make_room(self, share: int) -> int:
        """Close idle connections, one in ``share`` of all that are open if so many are idle; how many."""
        going = chosen(self.open, max(len(self.open) // share, 1))
        for connection in going:
            connection.transport.abort()
            self.open.discard(connection)  # at once: that it is lost is told in the next turn of the loop
        return len(going)

    def tell(self, closed: int) -> None:
        now = monotonic_seconds()
        if now - self.told_at >= TOLD_SECONDS:
            self.told_at = now
            log.warning("http.connections_full", open=len(self.open), closed=closed, most=self.limits.connections)

    async def watch(self) -> None:
        """Look at all of them once a second."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = monotonic_seconds()
            for connection in list(self.open):
                connection.look(now)


def chosen(connections: Iterable[LimitedProtocol], count: int) -> list[LimitedProtocol]:
    """The ``count`` connections that make room, first the one to go first; fewer when fewer are idle."""
    groups: dict[tuple[bool, str], list[LimitedProtocol]] = defaultdict(list)
    for one in connections:
        if one.idle and not one.transport.is_closing():
            groups[bool(one.peer.caller), one.peer.caller or one.peer.address].append(one)
    for members in groups.values():
        members.sort(key=lambda one: one.since, reverse=True)
    heap = [(known, -len(members), who) for (known, who), members in groups.items()]
    heapq.heapify(heap)
    going: list[LimitedProtocol] = []
    while heap and len(going) < count:
        known, size, who = heapq.heappop(heap)
        going.append(groups[known, who].pop())
        if size + 1:
            heapq.heappush(heap, (known, size + 1, who))
    return going
