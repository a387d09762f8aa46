"""In which mode of CloudEvents a message is, over HTTP or NATS, and the events that it says.

Content-Type                          ce- fields   mode
application/cloudevents+json          may repeat   structured: the body is one event
application/cloudevents-batch+json    none         a batch: the body is an array of them
any, or none                          there        binary: the fields are its attributes, the body is its data
application/json                      none         ours: one event or an array, less strict
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from treering.kernel.bounds import ITEMS_MAX, Name
from treering.kernel.decoding import check_repeats, check_values, decode
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name
from treering_services.gateway.call import BODY_BYTES_MAX, JSON, Call
from treering_services.gateway.event_fields import check_event_fields, event_fields, said_in_fields, value_of
from treering_services.gateway.event_forms import MALFORMED, Said
from treering_services.gateway.media import media_type_of

CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"


class PublishQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``ordered``: store the events of a batch in their order, which takes longer."""

    ordered: bool = False


class PublishMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request on ``pub.<publisher>``, where it is no CloudEvent itself."""

    workspace: Name
    events: Annotated[list[msgspec.Raw], Meta(max_length=ITEMS_MAX)]


class Events(Struct, frozen=True):
    """What one message says. ``alone``: one event, and no batch; ``strict`` as in ``Said``; ``workspace`` "" is the
    publisher's own."""

    all: Sequence[msgspec.Raw | Said]
    alone: bool = False
    strict: bool = True
    ordered: bool = False
    workspace: str = ""


async def events_of(call: Call) -> Events:
    """Of a request over HTTP."""
    ordered = call.query(PublishQuery).ordered
    content_type = call.header(b"content-type").strip()
    body = await call.whole(BODY_BYTES_MAX)
    fields = event_fields(call.scope["headers"])
    if (events := cloud_events(content_type, fields, body)) is None:
        if media_type_of(content_type) != JSON:
            forms = f"Content-Type must be {CLOUD_EVENT}, {CLOUD_EVENTS} or {JSON}"
            raise Refused("request.media_type", f"{forms}; or, with ce- fields in the header, that of the data")
        batch = body.lstrip()[:1] == b"["
        all = decode(body, list[msgspec.Raw]) if batch else [decode(body, msgspec.Raw)]
        events = Events(all, not batch, strict=False)
    return msgspec.structs.replace(events, ordered=ordered)


def events_in(headers: Mapping[str, str], body: bytes) -> Events:
    """Of a request over NATS: as over HTTP, or in the form of before there were headers."""
    plain = [(name.encode(errors="replace"), value.encode(errors="surrogateescape")) for name, value in headers.items()]
    fields = event_fields(plain)
    content_type = {name.lower(): value for name, value in headers.items()}.get("content-type", "").strip()
    if events := cloud_events(content_type, fields, body):
        return events
    members = decode(body, dict[str, msgspec.Raw], code=MALFORMED)
    if "specversion" in members:
        return Events([msgspec.Raw(body)], alone=True)
    message = decode(body, PublishMessage, code=MALFORMED)
    check_envelope(body, bytes(members["events"]))
    return Events(message.events, strict=False, workspace=checked_name(message.workspace, "workspace"))


def cloud_events(content_type: str, fields: Mapping[str, bytes], body: bytes) -> Events | None:
    """The events of a message in a mode of CloudEvents; None when it is in none. Over NATS, and where a client of HTTP
    sends no Content-Type, a field says the type of the data."""
    if "datacontenttype" in fields and not content_type:
        content_type = value_of("datacontenttype", fields["datacontenttype"])
    name = content_type.partition(";")[0].strip().lower()
    if name == CLOUD_EVENT:
        media_type_of(content_type)
        event = single(body)
        check_event_fields(fields, event)
        return Events([event], alone=True)
    if name == CLOUD_EVENTS:
        media_type_of(content_type)
        check_event_fields(fields, None)
        return Events(decode(body, list[msgspec.Raw]))
    if name.startswith("application/cloudevents"):
        raise Refused("request.media_type", f"Content-Type is {name[:80]!r}; CloudEvents are read as {CLOUD_EVENT}")
    return Events([said_in_fields(fields, content_type, body)], alone=True) if fields else None


def single(body: bytes) -> msgspec.Raw:
    if body.lstrip()[:1] == b"[":
        raise Refused("event.batch", f"the body is an array of events, which is {CLOUD_EVENTS}")
    return decode(body, msgspec.Raw)


def check_envelope(body: bytes, events: bytes) -> None:
    """``Refused("event.malformed")`` for a name that stands twice around the events; within, each is checked alone."""
    around = body.replace(events, b"0", 1)
    check_values(around, MALFORMED)
    check_repeats(around, MALFORMED)
