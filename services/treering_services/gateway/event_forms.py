"""An event as it is said, in CloudEvents' JSON format or in header fields and a body, and what is stored of it.

JSON        --said_in_json----+
                              +--> Said --command_of--> PublishEvent
fields+body --said_in_fields--+
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from treering.domain.event import Identifier, PublishEvent
from treering.kernel.bounds import Free, Name, Text, rule
from treering.kernel.cloud_attributes import (
    CODE,
    EXTENSIONS_MAX,
    bytes_of,
    check_media_type,
    check_name,
    check_uri,
    check_value,
    holds_json,
)
from treering.kernel.decoding import check_repeats, check_values, decode
from treering.kernel.refusal import Refused
from treering.kernel.rfc3339 import moment
from treering.kernel.subjects import NAME_CHARACTERS_MAX
from treering.views.cloud_events import SPECIFICATION, CloudEvent
from treering_services.gateway.call import BODY_BYTES_MAX, TRACEPARENT

MALFORMED = "event.malformed"
# Read by ``moment``: msgspec knows no leap seconds.
Time = Annotated[str, Meta(max_length=64, extra_json_schema={"format": "date-time"})]
Source = Annotated[Name, rule(maxLength=NAME_CHARACTERS_MAX, format="uri-reference")]
SchemaUri = Annotated[Text, rule(format="uri")]


class CloudEventIn(Struct, frozen=True):
    """A CloudEvent 1.0. Further attributes are extensions: names of a-z and 0-9; texts, whole numbers of 32 bits, true
    or false.

    ``subject`` of the form ``kind/name`` is a resource of the workspace. A job may leave ``source`` out: its events
    have that of the job. ``specversion`` may be left out where the media type is application/json.
    """

    id: Identifier
    type: Identifier
    source: Source | None = None
    specversion: Name | None = None
    subject: Name | None = None
    time: Time | None = None
    datacontenttype: Name | None = None
    dataschema: SchemaUri | None = None
    data: Free = None
    data_base64: Text | None = None
    cause: Name | None = None
    traceparent: Name | None = None


KNOWN = frozenset(CloudEventIn.__struct_fields__)
OURS = frozenset(CloudEvent.__struct_fields__) - KNOWN  # attributes that we give each event
NOT_EMPTY = ("source", "specversion", "subject", "datacontenttype", "dataschema")


def describe_extensions(components: dict[str, Any]) -> None:
    """Say in JSON schemas which attributes an event may have beside those that CloudEvents knows."""
    components[CloudEventIn.__name__] |= {
        "propertyNames": {"pattern": "^(data_base64|[a-z0-9]+)$", "not": {"enum": sorted(OURS)}},
        "additionalProperties": {"type": ["string", "integer", "boolean", "null"]},
    }


class Said(NamedTuple):
    """``strict``: said as a CloudEvent, with all that a CloudEvent must have; without, as it is convenient here."""

    event: CloudEventIn
    extensions: Mapping[str, Any] = {}
    data_is_null: bool = False
    strict: bool = True


def said_in_json(raw: msgspec.Raw, strict: bool) -> Said:
    """The event in the JSON ``raw``; whether a name stands twice in it is asked by ``check_said``."""
    body = bytes(raw)
    check_values(body, MALFORMED)
    event = decode(body, CloudEventIn, code=MALFORMED)
    members = decode(body, dict[str, msgspec.Raw], code=MALFORMED)
    more = {name: decode(bytes(value), Any, code=MALFORMED) for name, value in members.items() if name not in KNOWN}
    extensions = {name: value for name, value in more.items() if value is not None}
    return Said(event, extensions, bytes(members.get("data", b"")) == b"null", strict)


def check_said(said: Said, raw: msgspec.Raw | None) -> None:
    """``Refused`` for what is no CloudEvent 1.0. ``raw``: the JSON it was read from."""
    if raw is not None:
        check_repeats(bytes(raw), MALFORMED)
    event = said.event
    if event.specversion is None and said.strict:
        raise Refused(CODE, f"specversion is missing; say {SPECIFICATION!r}")
    if event.specversion not in (None, SPECIFICATION):
        raise Refused(CODE, f"specversion is {event.specversion[:20]!r}; it must be {SPECIFICATION!r}")
    for name in NOT_EMPTY if said.strict else ():
        if getattr(event, name) == "":
            raise Refused(CODE, f"{name} is empty; give it a value, or leave it out where it may be missing")
    if len(said.extensions) > EXTENSIONS_MAX:
        raise Refused(CODE, f"the event has {len(said.extensions)} extension attributes; at most {EXTENSIONS_MAX}")
    for name, value in said.extensions.items():
        check_extension(name, value)
    if event.traceparent and not TRACEPARENT.fullmatch(event.traceparent):
        form = "00-<32 hex digits>-<16 hex digits>-<2 hex digits>, as W3C Trace Context has it"
        raise Refused(CODE, f"traceparent is {event.traceparent[:100]!r}; it must be {form}")
    check_data(said)


def check_extension(name: str, value: Any) -> None:
    check_name(name)
    if name in OURS:
        raise Refused(MALFORMED, f"{name!r} is an attribute that treering gives; leave it out")
    check_value(name, value)


def check_data(said: Said) -> None:
    event = said.event
    if event.datacontenttype:
        check_media_type(event.datacontenttype)
    if event.dataschema:
        check_uri("dataschema", event.dataschema)
    has_data = event.data is not None or said.data_is_null
    if event.data_base64 is not None:
        if has_data:
            raise Refused(CODE, "the event has both data and data_base64; say one of them")
        bytes_of(event.data_base64)
    elif has_data and not isinstance(event.data, str) and not holds_json(event.datacontenttype or ""):
        why = f"datacontenttype is {(event.datacontenttype or '')[:100]!r}, which is no JSON"
        raise Refused(CODE, f"{why}, and data is no text; write it as a text, or its bytes as data_base64")


def command_of(said: Said, source: str) -> PublishEvent:
    """What is stored of the event; ``source`` is where it says none."""
    event = said.event
    return PublishEvent(
        event.source or source, event.id, event.type, event.subject or "",
        time=None if event.time is None else moment(event.time),
        data=event.data, cause=event.cause or "", content_type=event.datacontenttype or "",
        data_schema=event.dataschema or "", data_base64=event.data_base64, data_is_null=said.data_is_null,
        extensions=dict(said.extensions),
    )  # fmt: skip


def too_large_in_json(size_bytes: int) -> str:
    """Why an event is refused whose request was small enough."""
    why = f"in JSON the event has {size_bytes} bytes; at most {BODY_BYTES_MAX} are possible, as of a request"
    return f"{why}; send less, or the address of where it is"


def judged_data(event: PublishEvent) -> Any:
    """What a schema of the type is asked about: the data, also where its JSON came as bytes."""
    if event.data_base64 is None:
        return event.data
    if not holds_json(event.content_type):
        why = f"the type has a schema, and {event.content_type[:100]!r} in data_base64 is no JSON that it could judge"
        raise Refused("event.schema_mismatch", why)
    body = bytes_of(event.data_base64)
    check_values(body, "event.schema_mismatch")
    check_repeats(body, "event.schema_mismatch")
    return decode(body, Any, code="event.schema_mismatch")
