"""What the data of a published event type must look like: a JSON Schema, enforced while it is active.

    (absent) --created--> active --updated--> active
    active --archived--> archived --restored--> active

The name is the event type. Whether a schema is one is checked at the door, where the validator lives.
"""

from __future__ import annotations

from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import FreeObject, Text
from treering.kernel.refusal import Refused

Schema = FreeObject


class CreateEventSchema(Command, frozen=True, tag="create"):
    """JSON Schema, draft 2020-12, of the event's ``data``."""

    schema: Schema
    description: Text = ""


class UpdateEventSchema(Command, frozen=True, tag="update"):
    """Events published before are as they were."""

    schema: Schema
    description: Text | None = None


class ArchiveEventSchema(Command, frozen=True, tag="archive"):
    pass


class RestoreEventSchema(Command, frozen=True, tag="restore"):
    pass


EventSchemaCommand = CreateEventSchema | UpdateEventSchema | ArchiveEventSchema | RestoreEventSchema


class EventSchemaCreated(Event, frozen=True, tag="event_schema.created"):
    schema: Schema
    description: Text = ""


class EventSchemaUpdated(Event, frozen=True, tag="event_schema.updated"):
    schema: Schema
    description: Text | None = None


class EventSchemaArchived(Event, frozen=True, tag="event_schema.archived"):
    pass


class EventSchemaRestored(Event, frozen=True, tag="event_schema.restored"):
    pass


EventSchemaEvent = EventSchemaCreated | EventSchemaUpdated | EventSchemaArchived | EventSchemaRestored


class EventSchema(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "active", "archived"] = "absent"
    schema: Schema = {}
    description: str = ""


def evolve(state: EventSchema, event: EventSchemaEvent) -> EventSchema:
    match event:
        case EventSchemaCreated():
            return EventSchema("active", event.schema, event.description)
        case EventSchemaUpdated():
            description = state.description if event.description is None else event.description
            return msgspec.structs.replace(state, schema=event.schema, description=description)
        case EventSchemaArchived():
            return msgspec.structs.replace(state, status="archived")
        case EventSchemaRestored():
            return msgspec.structs.replace(state, status="active")
        case _:
            assert_never(event)


def decide(state: EventSchema, command: EventSchemaCommand) -> list[EventSchemaEvent]:
    match command:
        case CreateEventSchema():
            if state.status == "absent":
                return [EventSchemaCreated(command.schema, command.description)]
            if (state.schema, state.description) == (command.schema, command.description):
                return []
            raise Refused("event_schema.exists", "this event type has a schema already; change it with update")
        case UpdateEventSchema():
            must_exist(state)
            event = EventSchemaUpdated(command.schema, command.description)
            return [event] if evolve(state, event) != state else []
        case ArchiveEventSchema():
            must_exist(state)
            return [EventSchemaArchived()] if state.status == "active" else []
        case RestoreEventSchema():
            must_exist(state)
            return [EventSchemaRestored()] if state.status == "archived" else []
        case _:
            assert_never(command)


def must_exist(state: EventSchema) -> None:
    if state.status == "absent":
        raise Refused("event_schema.absent", "there is no schema for this event type")


def summary(state: EventSchema) -> Summary:
    return Summary(state.status, archived=state.status == "archived")


EVENT_SCHEMA: Aggregate[EventSchemaCommand, EventSchemaEvent, EventSchema] = Aggregate(
    "event_schema",
    state=EventSchema,
    commands=EventSchemaCommand,
    events=EventSchemaEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
)
