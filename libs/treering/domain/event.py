"""An event somebody else published: a CloudEvent about a resource of ours (or about nothing of ours).

Its key is a digest of (source, id), so the log itself keeps it from being stored twice, for ever.

    (absent) --published--> published
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.refusal import Refused
from treering.kernel.subjects import NAME_CHARACTERS_MAX


class PublishEvent(Command, frozen=True, tag="publish"):
    """The attributes of a CloudEvent 1.0. ``subject`` is ``kind/name`` of the resource it is about, or empty."""

    source: str
    id: str
    event_type: str
    subject: str = ""
    time: datetime | None = None
    data: Any = None
    cause: str = ""


class EventPublished(Event, frozen=True, tag="event.published"):
    source: str
    id: str
    event_type: str
    subject: str = ""
    time: datetime | None = None
    data: Any = None
    cause: str = ""


class Published(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "published"] = "absent"
    event: EventPublished | None = None


def event_key(source: str, id: str) -> str:
    """The key under which the event (source, id) is stored; CloudEvents 1.0 says the pair is unique."""
    return hashlib.sha256(f"{source}\n{id}".encode()).hexdigest()[:40]


def evolve(published: Published, event: EventPublished) -> Published:
    return Published("published", event)


def decide(published: Published, command: PublishEvent) -> list[EventPublished]:
    if published.status == "published":
        return []  # The publisher said it again.
    for name in ("source", "id", "event_type"):
        value = getattr(command, name)
        if not value or len(value) > NAME_CHARACTERS_MAX:
            raise Refused("event.invalid", f"{name} has {len(value)} characters; it needs 1 to {NAME_CHARACTERS_MAX}")
    event = EventPublished(
        command.source, command.id, command.event_type, command.subject, command.time, command.data, command.cause
    )
    return [event]


def summary(published: Published) -> Summary:
    return Summary(published.status, parent=published.event.subject if published.event else "")


EVENT: Aggregate[PublishEvent, EventPublished, Published] = Aggregate(
    "event",
    state=Published,
    commands=PublishEvent,
    events=EventPublished,
    decide=decide,
    evolve=evolve,
    summary=summary,
)
