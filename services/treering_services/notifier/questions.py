"""What the notifier answers: how far a webhook is, what is dead, one delivery to see whether it works."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from treering.adapters.delivery_store import Key, Letter
from treering.domain.mlflow_events import selected
from treering.domain.webhook import WEBHOOK
from treering.kernel.clock import monotonic_seconds, new_id, now
from treering.kernel.decoding import decode
from treering.kernel.epochs import read_id
from treering.kernel.log import encoder
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views import webhook_queries as queries
from treering.views.cloud_events import SPECIFICATION, CloudEvent
from treering_services.notifier.courier import Courier
from treering_services.notifier.event_grid import GridEvent
from treering_services.notifier.messages import CLOUD_EVENT, JSON, Message
from treering_services.notifier.mlflow_hooks import example

if TYPE_CHECKING:
    from treering_services.notifier.service import Notifier

TEST_TYPE = "treering.webhook.test"


class Questions:
    def __init__(self, notifier: Notifier) -> None:
        self.notifier = notifier
        self.answers: dict[str, Callable[[bytes], Awaitable[Any]]] = {
            "check": self.check,
            "test": self.test,
            "delivery": self.delivery,
            "dead": self.dead,
            "redeliver": self.redeliver,
        }

    async def ask(self, name: str, body: bytes) -> Any:
        if name not in self.answers:
            raise Refused("query.unknown", f"there is no question {name[:40]!r}")
        return await self.answers[name](body)

    async def check(self, body: bytes) -> queries.AddressAnswer:
        """``Refused("address.forbidden")`` when the URL leads to where we may not connect."""
        parts = urlsplit(decode(body, queries.AddressCheck).url)
        port, egress = parts.port or (443 if parts.scheme == "https" else 80), self.notifier.desk.egress
        try:
            found = await egress.resolve(parts.hostname or "", port)
        except Refused as refused:
            if refused.code == "address.forbidden":
                raise
            return queries.AddressAnswer(known=False)
        return queries.AddressAnswer(known=True, allowed=all(map(egress.is_allowed, found)))

    async def test(self, body: bytes) -> queries.TestAnswer:
        query = decode(body, queries.TestQuery)
        courier = self.courier(*await self.known(query))
        began = monotonic_seconds()
        id = f"test_{new_id()}"
        answered = await courier.post(id, test_message(courier, id, query.type))
        milliseconds = round((monotonic_seconds() - began) * 1000, 1)
        ok = 200 <= answered.status < 300
        text = answered.body.decode("utf-8", "replace")
        return queries.TestAnswer(ok, answered.status, answered.why, milliseconds, text)

    async def delivery(self, body: bytes) -> queries.DeliveryAnswer:
        query = decode(body, queries.WebhookQuery)
        key = await self.known(query)
        running = self.notifier.couriers.get(key)
        if running:
            running[0].save()
        store = self.notifier.desk.store
        standing = store.standing(key)
        if standing is None:
            raise Refused("webhook.absent", f"there is no webhook {query.name!r}")
        retrying = len(running[0].again) if running else len(store.retries(key))
        head = await self.notifier.desk.log.head()
        return queries.DeliveryAnswer(
            standing.position, head, standing.delivered, retrying, store.dead_count(key), standing.dropped,
            running[0].last_failure if running else "", store.log_known(key).note,
        )  # fmt: skip

    async def dead(self, body: bytes) -> queries.DeadAnswer:
        query = decode(body, queries.DeadQuery)
        key = await self.known(query)
        running = self.notifier.couriers.get(key)
        if running:
            running[0].save()
        after = self.place_of(query.page) if query.page else (0, -1)
        letters = [self.dead_letter(one) for one in self.notifier.desk.store.dead(key, query.limit, after)]
        return queries.DeadAnswer(letters, letters[-1].id if len(letters) == query.limit else "")

    async def redeliver(self, body: bytes) -> queries.RedeliverAnswer:
        query = decode(body, queries.RedeliverQuery)
        key = await self.known(query)
        courier = self.courier(*key)
        courier.save()
        places = {self.place_of(one) for one in query.ids}
        found = self.notifier.desk.store.dead(key, 1_000_000)
        chosen = [one for one in found if not places or one[:2] in places]
        if missing := places - {one[:2] for one in chosen}:
            position, number = min(missing)
            id = self.notifier.desk.lineage.id(position, number)
            raise Refused("webhook.letter_absent", f"{id} is not among the dead letters")
        courier.revive(self.notifier.desk.store.revive(key, chosen, time.time()))
        return queries.RedeliverAnswer(len(chosen))

    async def known(self, query: queries.WebhookQuery) -> Key:
        """The webhook the question is about, as the asker knows it: what follows the log may not be there yet."""
        await self.notifier.know(Address(query.workspace, WEBHOOK.kind, query.name), query.position)
        return (query.workspace, query.name)

    def courier(self, workspace: str, name: str) -> Courier:
        running = self.notifier.couriers.get((workspace, name))
        if running is None:
            raise Refused("webhook.not_active", f"webhook {name!r} is not active; resume it first")
        return running[0]

    def place_of(self, id: str) -> tuple[int, int]:
        """Position and number of a letter; ``Refused`` also for one of another log than this."""
        place = read_id(id)
        if place is None or not place.skip:
            raise Refused("request.query", f"{id[:40]!r} is no id of a dead letter, such as 12.0")
        if place.position > self.notifier.desk.lineage.common(place.epoch, place.position):
            raise Refused("webhook.letter_absent", f"{id} is an event that was gone when the log was restored")
        return place.position, place.skip - 1

    def dead_letter(self, letter: Letter) -> queries.DeadLetter:
        at = datetime.fromtimestamp(letter.at, UTC).isoformat()
        id = self.notifier.desk.lineage.id(letter.position, letter.number)
        return queries.DeadLetter(id, letter.position, letter.attempts, at, letter.why)


def test_message(courier: Courier, id: str, type: str = "") -> Message:
    """In the form the webhook has; it is no event, and is not in the log. ``type`` is one of MLflow's events."""
    if courier.webhook.body == "mlflow":
        return Message(0, encoder.encode(example(type or selected(courier.webhook.types)[0], now())), JSON)
    workspace, name = courier.key
    subject, data = f"webhook/{name}", {"webhook": name}
    if courier.webhook.body == "eventgrid":
        event = GridEvent(id, f"/treering/{workspace}", subject, TEST_TYPE, now(), data)
        return Message(0, encoder.encode([event]), JSON)
    cloud = CloudEvent(
        SPECIFICATION, id, f"/treering/{workspace}", TEST_TYPE, 0, subject=subject, time=now(),
        datacontenttype=JSON, data=msgspec.Raw(encoder.encode(data)),
    )  # fmt: skip
    return Message(0, encoder.encode(cloud), CLOUD_EVENT)
