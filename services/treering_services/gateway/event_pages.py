"""A page of the events that the log holds now: bounded in events, in bytes, and in what is read to find them."""

from __future__ import annotations

from msgspec import Struct

from treering.kernel.pages import PageFull, Room, page_room
from treering.views.cloud_events import cloud_events
from treering.views.selection import Selection
from treering_services.gateway.hub import Hub
from treering_services.gateway.subscriber import Start, page_behind
from treering_services.gateway.tail import written_event

READS_MAX = 32  # of up to 256 commits or 1 MiB each: where few events are wanted, a page may end with none


class EventPage(Struct, frozen=True):
    """``next``: the id behind which the next page begins; "" when the log has no more."""

    events: list[bytes]
    next: str


async def event_page(hub: Hub, selection: Selection, start: Start, limit: int) -> EventPage:
    """At most ``limit`` of the events behind ``start``, up to what is the head of the log now."""
    head = await hub.log.head()
    events, room = list[bytes](), page_room()
    for _ in range(READS_MAX):
        if start.after >= head or not (entries := await page_behind(hub, start.after, selection)):
            return EventPage(events, "")
        for entry in entries:
            if entry.position > head:
                return EventPage(events, "")
            for one in cloud_events(entry, hub.lineage.epoch_of(entry.position)):
                if not (start.wants(one) and selection.wants(one.event.type)):
                    continue
                if len(events) == limit:
                    return EventPage(events, Start(entry.position - 1, one.index).id(hub.lineage))
                line = written_event(one, selection.lines, selection.plain)
                try:
                    room.take(len(line))
                except PageFull:
                    if events:
                        return EventPage(events, Start(entry.position - 1, one.index).id(hub.lineage))
                    room = Room(0)  # a page of its own
                events.append(line)
            start = Start(entry.position)
    return EventPage(events, start.id(hub.lineage) if start.after < head else "")
