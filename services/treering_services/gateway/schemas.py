"""Schemas of published events: judged when they are registered, enforced when something is published."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from treering.adapters.json_schema import Validators, check_new
from treering.domain import is_reserved
from treering.domain.event_schema import EVENT_SCHEMA, CreateEventSchema, UpdateEventSchema
from treering.kernel.aggregate import Command
from treering.kernel.refusal import Refused
from treering.kernel.subjects import NAME, NAME_CHARACTERS_MAX, Address
from treering.views.states import show

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway


class Schemas:
    """One per gateway."""

    def __init__(self) -> None:
        self.validators = Validators()

    def judge(self, address: Address, command: Command) -> None:
        """``Refused("event_schema.invalid")`` for a schema that is none, ``event.type_reserved`` for one of a type
        that nobody may publish."""
        if isinstance(command, CreateEventSchema):
            check_type(address.key)
        if isinstance(command, (CreateEventSchema, UpdateEventSchema)):
            check_new(command.schema)

    async def check(self, gateway: Gateway, workspace: str, type: str, data: Callable[[], Any]) -> None:
        """``Refused("event.schema_mismatch")`` when the type has an active schema and ``data`` is not as it says,
        ``event.schema_cost`` when that would take too long to find out."""
        if len(type) > NAME_CHARACTERS_MAX or not NAME.fullmatch(type):
            return  # no schema can have this name
        address = Address(workspace, EVENT_SCHEMA.kind, type)
        found = await gateway.reader.view.peek(lambda db: show(db, address))
        if found is None or found.archived:
            return
        state = EVENT_SCHEMA.states.decode(found.state)
        self.validators.check((workspace, type, found.position), state.schema, data())


def check_type(type: str) -> None:
    """``Refused("event.type_reserved")`` for what would be taken for an event of ours."""
    if is_reserved(type):
        raise Refused("event.type_reserved", f"type is {type[:100]!r}, which only treering's own events have")
