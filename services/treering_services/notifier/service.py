"""Keep a courier for every active webhook, and answer questions about them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from treering.adapters.bus import Responder, answered
from treering.adapters.delivery_store import DeliveryStore, Key
from treering.adapters.egress import Egress
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.sealed_store import SealedStore
from treering.adapters.webhook_secrets import secret_name, webhook_secrets
from treering.domain.webhook import WEBHOOK, Webhook
from treering.kernel.log import Entry
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, address_of
from treering.kernel.webhook_signature import signing_key
from treering.views.selection import addresses_of
from treering.views.states import show, with_status
from treering_services.base import ServiceBase, StatesReader
from treering_services.notifier.courier import Courier, Desk, Pauses, SigningKey
from treering_services.notifier.messages import Messages
from treering_services.notifier.questions import Questions

SEAM_POSITIONS = 1000  # a read that is answered by a replica may be this far behind; see gateway/hub.py
log = structlog.get_logger()


@dataclass
class Notifier:
    """``couriers`` by webhook; ``by_address`` finds those who want what an entry is about."""

    desk: Desk
    reader: StatesReader
    secrets: SealedStore
    couriers: dict[Key, tuple[Courier, asyncio.Task[None]]] = field(default_factory=dict)
    by_address: dict[tuple[str, str, str], list[Courier]] = field(default_factory=dict)
    expiring: dict[Key, asyncio.TimerHandle] = field(default_factory=dict)
    taking_up: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> int:
        """Take up every webhook there is; the position behind which ``follow`` goes on."""
        head = await self.desk.log.head()
        await self.reader.projector.reached(head)
        known = await self.reader.view.read(lambda db: with_status(db, WEBHOOK.kind, ["active", "paused", "deleted"]))
        for address, webhook, _ in known:
            await self.take_up(address, webhook, head)
        return max(head - SEAM_POSITIONS, 0)

    async def follow(self, after: int) -> None:
        async for batch in self.reader.feed.follow(after=after):
            for entry in batch:
                await self.entry(entry)

    async def entry(self, entry: Entry) -> None:
        address = address_of(entry.subject)
        if address.kind == WEBHOOK.kind:
            await self.know(address, entry.position)
        for one in addresses_of(address):
            for courier in self.by_address.get(one, ()):
                courier.announce(entry.position)

    async def know(self, address: Address, position: int) -> None:
        """Take up a webhook as it is at ``position`` or later."""
        await self.reader.projector.reached(position)
        async with self.taking_up:
            found = await self.reader.view.peek(lambda db: show(db, address))
            if found is not None:
                await self.take_up(address, WEBHOOK.states.decode(found.state), max(position, found.position))

    async def take_up(self, address: Address, webhook: Webhook, head: int) -> None:
        """Begin, go on, change or end, as the webhook now is. Saying it again is harmless."""
        key = (address.workspace, address.key)
        running = self.couriers.get(key)
        if running and running[0].webhook == webhook:
            return
        await self.put_down(key)
        if webhook.status == "deleted":
            self.expire(key, webhook)
            self.desk.store.forget(key)
            self.forget_secrets(key)
            return
        epoch = f"{webhook.since}:{webhook.replay}"
        standing = self.desk.store.standing(key)
        if standing is None or standing.epoch != epoch:
            self.desk.store.begin(key, epoch, webhook.since)
        self.expire(key, webhook)
        if webhook.status == "active":
            self.begin(key, webhook, head)

    def begin(self, key: Key, webhook: Webhook, head: int) -> None:
        try:
            signing = self.signing(key, webhook)
        except (Refused, UnicodeDecodeError) as error:
            log.error("webhook.secret_unreadable", webhook=key, why=str(error))
            return
        if signing is None:
            log.error("webhook.secret_missing", webhook=key, cure="treering webhook rotate-secret")
            return
        courier = Courier(self.desk, key, webhook, signing, head)
        task = asyncio.create_task(courier.run(), name=f"webhook {key[0]}/{key[1]}")
        task.add_done_callback(say_why)
        self.couriers[key] = (courier, task)
        self.by_address.setdefault(courier.selection.address, []).append(courier)

    def signing(self, key: Key, webhook: Webhook) -> list[SigningKey] | None:
        """What it signs with; None when there ought to be something and is not."""
        if not webhook.secret:
            return [] if webhook.body == "mlflow" else None
        newest = self.secrets.get(secret_name(*key, webhook.secret))
        if newest is None:
            return None
        found = [SigningKey(signing_key(webhook.body, newest.decode()))]
        previous = self.secrets.get(secret_name(*key, webhook.previous)) if webhook.previous else None
        if previous and webhook.previous_until:
            found.append(SigningKey(signing_key(webhook.body, previous.decode()), webhook.previous_until.timestamp()))
        return found

    def expire(self, key: Key, webhook: Webhook) -> None:
        """Remove the file of the secret before when its time is over, now or then."""
        waiting = self.expiring.pop(key, None)
        if waiting:
            waiting.cancel()
        if not webhook.previous or webhook.previous_until is None:
            return
        seconds = webhook.previous_until.timestamp() - time.time()
        remove = partial(self.secrets.remove, secret_name(*key, webhook.previous))
        if seconds <= 0:
            remove()
        else:
            self.expiring[key] = asyncio.get_running_loop().call_later(seconds, remove)

    async def put_down(self, key: Key) -> None:
        running = self.couriers.pop(key, None)
        if running is None:
            return
        courier, task = running
        self.by_address[courier.selection.address].remove(courier)
        task.cancel()
        await asyncio.wait({task})

    def forget_secrets(self, key: Key) -> None:
        """Remove the sealed files of a webhook that is no more; the gateway removes one that another replaces."""
        for path in self.secrets.folder.glob(f"{secret_name(*key, '*')}.sealed"):
            path.unlink(missing_ok=True)

    async def stop(self) -> None:
        for waiting in self.expiring.values():
            waiting.cancel()
        for key in list(self.couriers):
            await self.put_down(key)


def say_why(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("webhook.stopped", webhook=task.get_name(), why=str(error), exc_info=error)


async def run(
    base: ServiceBase,
    reader: StatesReader,
    started: Callable[[], None],
    *,
    allowed: Iterable[str] = (),
    pauses: Pauses | None = None,
) -> None:
    """The notifier as a service. ``allowed``: addresses webhooks may have although they are not public."""
    egress = Egress(allowed)
    async with base.connected("notifier") as client:
        await base.check_log(client, reader.view)
        store = DeliveryStore(base.home.deliveries)
        desk = Desk(
            JetStreamLog(client), store, egress, Messages(reader.view, reader.projector.reached), pauses or Pauses()
        )
        notifier = Notifier(desk, reader, webhook_secrets(base.home))
        try:
            after = await notifier.start()
            await Responder(client, "hook.*", handler(Questions(notifier))).start()
            await base.work(started, notifier.follow(after))
        finally:
            await notifier.stop()
            store.close()


def handler(questions: Questions) -> Callable[[str, bytes], Awaitable[bytes]]:
    async def handle(subject: str, body: bytes) -> bytes:
        value: Any = await questions.ask(subject.partition(".")[2], body)
        return answered(value)

    return handle
