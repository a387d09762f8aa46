"""The AsyncAPI 3.0 document: every event there is, computed from the structs of KINDS.

Seen from treering, as the specification wants it: it *sends* the events of the log to those who watch, and *receives*
what clients publish. A message's payload is a CloudEvent 1.0 whose ``data`` is the event's struct.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

import treering
from treering.domain import KINDS
from treering.domain.event import EVENT
from treering.kernel.bounds import documented
from treering.kernel.log import encoder
from treering.views.cloud_events import CloudEvent
from treering.views.told_fields import schema_told
from treering_services.gateway.asyncapi_nats import STRUCTS, nats_channels, nats_messages, nats_operations
from treering_services.gateway.event_forms import CloudEventIn, describe_extensions
from treering_services.gateway.event_modes import CLOUD_EVENT, CLOUD_EVENTS

SCHEMAS = "#/components/schemas/{name}"
PUBLISHED = "published"


@cache
def describe_events() -> bytes:
    """The document as JSON."""
    types = {tag: struct for kind in KINDS.values() for tag, struct in kind.event_types.items()}
    plain: tuple[type[Struct], ...] = (CloudEvent, CloudEventIn, *STRUCTS)
    schemas, components = msgspec.json.schema_components([*plain, *types.values()], ref_template=SCHEMAS)
    documented([schemas, components])
    describe_extensions(components)
    of_type = dict(zip(types, schemas[len(plain) :], strict=True))
    messages: dict[str, Any] = {
        tag: message(tag, schema_told(tag, schema, components))
        for tag, schema in of_type.items()
        if tag not in EVENT.event_types
    }
    messages[PUBLISHED] = {
        "name": PUBLISHED,
        "summary": "What a client published, as it came, with our attributes",
        "contentType": CLOUD_EVENT,
        "payload": {"allOf": [schemas[0], {"properties": {"published": {"const": True}}, "required": ["published"]}]},
    }
    messages["publish"] = {
        "name": "publish",
        "summary": "What a client may publish; an array of them is a batch",
        "contentType": CLOUD_EVENT,
        "payload": {"anyOf": [schemas[1], {"type": "array", "items": schemas[1]}]},
    }
    messages |= nats_messages({one.__name__: schema for one, schema in zip(plain, schemas, strict=False)})
    return encoder.encode(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": "treering",
                "version": treering.__version__,
                "description": "Every change to every resource is an event; all of them can be watched, live and again",
            },
            "defaultContentType": CLOUD_EVENT,
            "channels": {**{name: watched(name) for name in KINDS}, "publish": publishing(), **nats_channels()},
            "operations": {
                **{f"watch_{name}": sends(name) for name in KINDS},
                "publish": receives(),
                **nats_operations(),
            },
            "components": {
                "schemas": components,
                "messages": messages,
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer"},
                    "nats": {"type": "userPassword", "description": "User and password of the credential's file"},
                },
            },
        }
    )


def message(tag: str, schema: dict[str, Any]) -> dict[str, Any]:
    payload = {
        "allOf": [
            {"$ref": SCHEMAS.format(name=CloudEvent.__name__)},
            {
                "properties": {"type": {"const": tag}, "data": schema, "published": {"const": False}},
                "required": ["data"],
            },
        ]
    }
    return {"name": tag, "title": tag, "contentType": CLOUD_EVENT, "payload": payload}


def message_names(kind: str) -> list[str]:
    return [PUBLISHED] if kind == EVENT.kind else list(KINDS[kind].event_types)


def watched(kind: str) -> dict[str, Any]:
    return {
        "address": f"/v1/events?ws={{workspace}}&kind={kind}&since={{since}}",
        "title": f"Events of the kind {kind}",
        "description": "Server-sent events; `Last-Event-ID` goes on behind the last one. Add name= or type= for fewer.",
        "parameters": {
            "workspace": {"description": "Its name; empty is all"},
            "since": {"description": "An event's id, EPOCH:POSITION, or `now`; empty is the beginning"},
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in message_names(kind)},
        "bindings": {"http": {"bindingVersion": "0.3.0"}},
    }


def publishing() -> dict[str, Any]:
    return {
        "address": "/v1/workspaces/{workspace}/events",
        "title": "Publish",
        "description": f"POST one as {CLOUD_EVENT}, or an array as {CLOUD_EVENTS}. Stored once per (source, id).",
        "parameters": {"workspace": {"description": "Its name"}},
        "messages": {"publish": {"$ref": "#/components/messages/publish"}},
        "bindings": {"http": {"bindingVersion": "0.3.0"}},
    }


def sends(kind: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{kind}"},
        "summary": f"Everything that happens to resources of the kind {kind}",
        "messages": [{"$ref": f"#/channels/{kind}/messages/{name}"} for name in message_names(kind)],
        "security": [{"$ref": "#/components/securitySchemes/token"}],
        "bindings": {"http": {"method": "GET", "bindingVersion": "0.3.0"}},
    }


def receives() -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": "#/channels/publish"},
        "summary": "Events of clients, about resources of ours or about nothing of ours",
        "messages": [{"$ref": "#/channels/publish/messages/publish"}],
        "security": [{"$ref": "#/components/securitySchemes/token"}],
        "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
    }
