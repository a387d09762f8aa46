"""An event somebody else published: a CloudEvent about a resource of ours (or about nothing of ours).

Its key is a digest of (source, id), so the log itself keeps it from being stored twice, for ever.

    (absent) --published--> published

Which types are ours and nobody else's to publish is said beside KINDS. Logs of before that rule may have such events.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import Free, Name, Text, rule
from treering.kernel.refusal import Refused
from treering.kernel.subjects import NAME_CHARACTERS_MAX

Identifier = Annotated[Name, rule(minLength=1, maxLength=NAME_CHARACTERS_MAX)]  # a source, an id or a type


class PublishEvent(Command, frozen=True, tag="publish"):
    """The attributes of a CloudEvent 1.0. ``subject`` is ``kind/name`` of the resource it is about, or empty."""

    source: Text
    id: Name
    event_type: Name
    subject: Name = ""
    time: datetime | None = None
    data: Free = None
    cause: Name = ""


class EventPublished(Event, frozen=True, tag="event.published"):
    source: Text
    id: Name
    event_type: Name
    subject: Name = ""
    time: datetime | None = None
    data: Free = None
    cause: Name = ""


class Published(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "published"] = "absent"
    event: EventPublished | None = None


def event_key(source: str, id: str) -> str:
    """The key under which the event (source, id) is stored; CloudEvents 1.0 says the pair is unique."""
    return hashlib.sha256(f"{source}\n{id}".encode()).hexdigest()[:40]


def content_digest(command: PublishEvent) -> str:
    """Of all that is said of it beside (source, id): the same however its data is ordered."""
    time = command.time and command.time.astimezone(UTC)
    said = [command.event_type, command.subject, time, command.cause, command.data]
    return hashlib.sha256(in_order(said)).hexdigest()[:16]


def in_order(data: Any) -> bytes:
    """As JSON, which tells 1, 1.0 and true apart as Python does not."""
    return msgspec.json.encode(data, order="deterministic")


def evolve(published: Published, event: EventPublished) -> Published:
    return Published("published", event)


def decide(published: Published, command: PublishEvent) -> list[EventPublished]:
    if published.event is not None:
        must_be_the_same(published.event, command)
        return []  # The publisher said it again.
    for name in ("source", "id", "event_type"):
        value = getattr(command, name)
        if not value or len(value) > NAME_CHARACTERS_MAX:
            raise Refused("event.invalid", f"{name} has {len(value)} characters; it needs 1 to {NAME_CHARACTERS_MAX}")
    if "\n" in command.source + command.id:  # the key is made of both, with a line end between them
        raise Refused("event.invalid", "source or id has a line end in it; use printable characters")
    event = EventPublished(
        command.source, command.id, command.event_type, command.subject, command.time, command.data, command.cause
    )
    return [event]


def must_be_the_same(stored: EventPublished, said: PublishEvent) -> None:
    """(source, id) names one event: ``Refused("event.conflict")`` when it is said with another content."""
    fields = [
        name for name in ("event_type", "subject", "time", "cause") if getattr(stored, name) != getattr(said, name)
    ]
    if in_order(stored.data) != in_order(said.data):
        fields.append("data")
    if fields:
        names = ", ".join(fields).replace("event_type", "type")
        what = f"source {said.source[:100]!r} and id {said.id[:100]!r}"
        raise Refused(
            "event.conflict", f"the event of {what} is stored with another {names}; another event needs another id"
        )


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
