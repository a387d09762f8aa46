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
from msgspec import Meta, Struct

from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import Free, Name, Text, Title, rule
from treering.kernel.cloud_attributes import EXTENSIONS_MAX, INT32_MAX
from treering.kernel.refusal import Refused
from treering.kernel.subjects import NAME_CHARACTERS_MAX

# Attributes that CloudEvents does not know: kept and told as they came.
Extensions = Annotated[
    dict[Name, bool | Annotated[int, Meta(ge=-INT32_MAX - 1, le=INT32_MAX)] | Title], Meta(max_length=EXTENSIONS_MAX)
]
JSON = "application/json"
Identifier = Annotated[Name, rule(minLength=1, maxLength=NAME_CHARACTERS_MAX)]  # a source, an id or a type


class PublishEvent(Command, frozen=True, tag="publish"):
    """The attributes of a CloudEvent 1.0. ``subject`` is ``kind/name`` of the resource it is about, or any other text.
    ``content_type`` "" is application/json. Its data is ``data``, or the bytes of ``data_base64``; ``data_is_null``
    tells JSON's null from no data."""

    source: Text
    id: Name
    event_type: Name
    subject: Name = ""
    time: datetime | None = None
    data: Free = None
    cause: Name = ""
    content_type: Name = ""
    data_schema: Text = ""
    data_base64: Text | None = None
    data_is_null: bool = False
    extensions: Extensions = {}


class EventPublished(Event, frozen=True, tag="event.published"):
    source: Text
    id: Name
    event_type: Name
    subject: Name = ""
    time: datetime | None = None
    data: Free = None
    cause: Name = ""
    content_type: Name = ""
    data_schema: Text = ""
    data_base64: Text | None = None
    data_is_null: bool = False
    extensions: Extensions = {}


class Published(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "published"] = "absent"
    event: EventPublished | None = None


# What makes up the content of an event, each as CloudEvents calls it.
ATTRIBUTES = {
    "event_type": "type", "subject": "subject", "time": "time", "cause": "cause", "data": "data",
    "content_type": "datacontenttype", "data_schema": "dataschema", "data_base64": "data",
    "extensions": "extension attributes",
}  # fmt: skip
LATER_FIELDS: dict[str, Any] = {
    "content_type": "",
    "data_schema": "",
    "data_base64": None,
    "data_is_null": False,
    "extensions": {},
}


def event_key(source: str, id: str) -> str:
    """The key under which the event (source, id) is stored; CloudEvents 1.0 says the pair is unique."""
    return hashlib.sha256(f"{source}\n{id}".encode()).hexdigest()[:40]


def content_digest(command: PublishEvent) -> str:
    """Of all that is said of it beside (source, id): the same however its data is ordered."""
    time = command.time and command.time.astimezone(UTC)
    said: list[Any] = [command.event_type, command.subject, time, command.cause, command.data]
    later = {name: getattr(command, name) for name in LATER_FIELDS}
    if later != LATER_FIELDS:  # else the digest is that of an event of before they were there
        said.append(later)
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
            why = f"{ATTRIBUTES.get(name, name)} has {len(value)} characters; it needs 1 to {NAME_CHARACTERS_MAX}"
            raise Refused("event.invalid", why)
    if "\n" in command.source + command.id:  # the key is made of both, with a line end between them
        raise Refused("event.invalid", "source or id has a line end in it; use printable characters")
    return [EventPublished(**{name: getattr(command, name) for name in EventPublished.__struct_fields__})]


def must_be_the_same(stored: EventPublished, said: PublishEvent) -> None:
    """(source, id) names one event: ``Refused("event.conflict")`` when it is said with another content."""
    fields = [name for name in ATTRIBUTES if of_content(stored, name) != of_content(said, name)]
    if fields:
        names = ", ".join(dict.fromkeys(ATTRIBUTES[name] for name in fields))
        what = f"source {said.source[:100]!r} and id {said.id[:100]!r}"
        raise Refused(
            "event.conflict", f"the event of {what} is stored with another {names}; another event needs another id"
        )


def of_content(event: EventPublished | PublishEvent, name: str) -> Any:
    """A field as it is compared: data however it is ordered, and an unsaid type of data is that of JSON."""
    value = getattr(event, name)
    if name in ("data", "extensions"):
        return in_order(value)
    return value or JSON if name == "content_type" else value


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
