"""What a webhook is sent for a commit: CloudEvents, Event Grid's, or MLflow's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from treering.adapters.sqlite_view import SqliteView
from treering.domain.mlflow_events import only_kind
from treering.domain.webhook import Webhook
from treering.kernel.log import Entry, encoder
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, address_of
from treering.views.cloud_events import Numbered, cloud_events
from treering.views.selection import Selection
from treering.views.states import show
from treering_services.notifier import mlflow_hooks
from treering_services.notifier.event_grid import PER_EVENT_MAX, grid_events

CLOUD_EVENT = "application/cloudevents+json"
JSON = "application/json"


class Message(NamedTuple):
    """``number`` counts within the commit; with the position it is the message's id, the same at every attempt."""

    number: int
    body: bytes
    media_type: str


def selection_of(workspace: str, webhook: Webhook) -> Selection:
    """Of MLflow's types those come from few kinds, so that others need not be read."""
    kind = webhook.kind or (only_kind(webhook.types) if webhook.body == "mlflow" else "")
    return Selection(workspace, kind, webhook.resource, tuple(webhook.types))


class Messages:
    """Writes messages. ``states`` says what an event is about where their schema asks for it, as soon as ``reached``
    says that it knows of the event."""

    def __init__(self, states: SqliteView, reached: Callable[[int], Awaitable[None]]) -> None:
        self.states = states
        self.reached = reached

    async def of(self, entry: Entry, webhook: Webhook, selection: Selection, epoch: str = "") -> list[Message]:
        """``epoch``: the one of the log in which ``entry`` was stored."""
        events = cloud_events(entry, epoch)
        if webhook.body == "mlflow":
            return [message for one in events for message in await self.of_mlflow(entry, one, selection)]
        wanted = [one for one in events if selection.wants(one.event.type)]
        if webhook.body == "cloudevents":
            return [Message(one.index, one.body, CLOUD_EVENT) for one in wanted]
        address, found = address_of(entry.subject), list[Message]()
        await self.reached(entry.position)
        for one in wanted:
            for number, event in enumerate(await grid_events(address, one.event, one.id, self.state)):
                found.append(Message(one.index * PER_EVENT_MAX + number, encoder.encode([event]), JSON))
        return found

    async def of_mlflow(self, entry: Entry, one: Numbered, selection: Selection) -> list[Message]:
        async def lookup(address: Address) -> dict[str, Any]:
            await self.reached(entry.position)
            return await self.state(address)

        found = await mlflow_hooks.hooked(address_of(entry.subject), one.event, lookup, selection.wants)
        first = one.index * mlflow_hooks.PER_EVENT_MAX
        return [Message(first + number, encoder.encode(hook), JSON) for number, hook in enumerate(found)]

    async def state(self, address: Address) -> dict[str, Any]:
        try:
            resource = await self.states.when_sound(lambda db: show(db, address), by_key=True)
        except Refused:
            resource = None  # It cannot be shown: its event is told without what it is about.
        state: dict[str, Any] = msgspec.json.decode(resource.state) if resource else {}
        return state
