"""The channels of the AsyncAPI document that programs from outside use over NATS: ``sub.<name>`` and ``pub.<name>``.

Each is a request that is answered in the asker's inbox.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct

from treering.views.cloud_events import CloudEvent
from treering_services.gateway.call import JSON
from treering_services.gateway.event_forms import CloudEventIn
from treering_services.gateway.event_modes import PublishMessage
from treering_services.gateway.polls import Batch, BatchRequest
from treering_services.gateway.publish import PublishAnswer

BINDING = {"nats": {"bindingVersion": "0.1.0"}}


class Asking(NamedTuple):
    """One channel: its address, the structs of request and answer, and which of their fields hold CloudEvents."""

    name: str
    address: str
    title: str
    description: str
    request: type[Struct]
    answer: type[Struct]
    request_events: type[Struct] | None = None
    answer_events: type[Struct] | None = None


ASKING = (
    Asking(
        "sub", "sub.{name}", "Ask for the next events", "As soon as there are some, or after wait_seconds without any. "
        "Only into the inbox of the credential that `treering subscriber add` makes.", BatchRequest, Batch,
        answer_events=CloudEvent,
    ),
    Asking(
        "pub", "pub.{name}", "Publish over NATS", "Stored once per (source, id), into the publisher's own workspace. "
        "Only with the credential that `treering publisher add` makes.", PublishMessage, PublishAnswer,
        request_events=CloudEventIn,
    ),
)  # fmt: skip
STRUCTS: tuple[type[Struct], ...] = tuple(one for asking in ASKING for one in (asking.request, asking.answer))
REFUSED = {
    "name": "refused",
    "summary": "In place of an answer: a stable code, and a sentence",
    "contentType": JSON,
    "payload": {
        "type": "object",
        "properties": {
            "code": {"type": "string"}, "detail": {"type": "string"},
            "epoch": {"type": "string", "description": "With position.other_log: of the log as it is"},
            "head": {"type": "integer", "description": "With position.other_log: where it ends"},
            "common": {"type": "integer", "description": "With position.other_log: up to there it is the asker's"},
        },
        "required": ["code", "detail"],
    },
}  # fmt: skip


def nats_channels() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in ASKING:
        found[one.name] = {
            "address": one.address, "title": one.title, "description": one.description,
            "parameters": {"name": {"description": "The name it was added under"}},
            "messages": references(f"{one.name}_request"), "bindings": BINDING,
        }  # fmt: skip
        found[f"{one.name}_answer"] = {
            "address": None, "title": f"The answer: {one.title.lower()}",
            "messages": references(f"{one.name}_answer", "refused"), "bindings": BINDING,
        }  # fmt: skip
    return found


def nats_operations() -> dict[str, Any]:
    return {
        one.name: {
            "action": "receive", "channel": {"$ref": f"#/channels/{one.name}"}, "summary": one.title,
            "messages": [{"$ref": f"#/channels/{one.name}/messages/{one.name}_request"}],
            "security": [{"$ref": "#/components/securitySchemes/nats"}],
            "reply": {
                "address": {"description": "The inbox of the asker", "location": "$message.header#/reply"},
                "channel": {"$ref": f"#/channels/{one.name}_answer"},
            },
        }
        for one in ASKING
    }  # fmt: skip


def nats_messages(schemas: dict[str, Any]) -> dict[str, Any]:
    """``schemas`` by the name of the struct."""
    found: dict[str, Any] = {"refused": REFUSED}
    for one in ASKING:
        request = holding(schemas, one.request, one.request_events)
        answer = holding(schemas, one.answer, one.answer_events)
        for name, payload in ((f"{one.name}_request", request), (f"{one.name}_answer", answer)):
            found[name] = {"name": name, "contentType": JSON, "payload": payload}
    return found


def holding(schemas: dict[str, Any], struct: type[Struct], events: type[Struct] | None) -> Any:
    """The schema of ``struct``, whose ``events`` are said there to be any JSON."""
    schema = schemas[struct.__name__]
    if events is None:
        return schema
    return {"allOf": [schema, {"properties": {"events": {"type": "array", "items": schemas[events.__name__]}}}]}


def references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}
