"""What a webhook is sent for a commit: CloudEvents, or Event Grid's."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from treering.adapters.sqlite_view import SqliteView
from treering.domain.webhook import Webhook
from treering.kernel.log import Entry, encoder
from treering.kernel.subjects import Address, address_of
from treering.views.states import show
from treering_services.gateway.cloud_events import cloud_events
from treering_services.gateway.selection import Selection
from treering_services.notifier.event_grid import PER_EVENT_MAX, grid_events

CLOUD_EVENT = "application/cloudevents+json"
JSON = "application/json"


class Message(NamedTuple):
    """``number`` counts within the commit; with the position it is the message's id, the same at every attempt."""

    number: int
    body: bytes
    media_type: str


def selection_of(workspace: str, webhook: Webhook) -> Selection:
    return Selection(workspace, webhook.kind, webhook.resource, tuple(webhook.types))


class Messages:
    """Writes messages; ``states`` says what an event is about where their schema asks for it."""

    def __init__(self, states: SqliteView) -> None:
        self.states = states

    async def of(self, entry: Entry, webhook: Webhook, selection: Selection) -> list[Message]:
        wanted = [one for one in cloud_events(entry) if selection.wants(one.event.type)]
        if webhook.body == "cloudevents":
            return [Message(one.index, encoder.encode(one.event), CLOUD_EVENT) for one in wanted]
        address, found = address_of(entry.subject), list[Message]()
        for one in wanted:
            for number, event in enumerate(await grid_events(address, one.event, one.id, self.state)):
                found.append(Message(one.index * PER_EVENT_MAX + number, encoder.encode([event]), JSON))
        return found

    async def state(self, address: Address) -> dict[str, Any]:
        resource = await self.states.peek(lambda db: show(db, address))
        state: dict[str, Any] = msgspec.json.decode(resource.state) if resource else {}
        return state
