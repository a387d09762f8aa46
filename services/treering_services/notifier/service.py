"""Keep a courier for every active webhook, and answer questions about them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from treering.adapters.askers import Askers
from treering.adapters.bus import Responder, answered
from treering.adapters.delivery_store import DeliveryStore, Key, LogKnown, Standing
from treering.adapters.egress import Egress
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_epochs import read_lineage, with_entry
from treering.adapters.scrubbing import know
from treering.adapters.sealed_store import SealedStore
from treering.adapters.sealed_values import SealedValues
from treering.adapters.sums import remove_kept
from treering.adapters.webhook_addresses import whole_address
from treering.adapters.webhook_secrets import secret_name, webhook_secrets
from treering.domain.installation import EPOCHS
from treering.domain.webhook import WEBHOOK, Webhook
from treering.kernel.bounds import EXACT_MAX
from treering.kernel.disk import until_written
from treering.kernel.ending import end
from treering.kernel.epochs import FIRST
from treering.kernel.log import Entry
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, address_or_none
from treering.kernel.webhook_signature import signing_key
from treering.views.selection import addresses_of
from treering.views.states import show, with_status
from treering_services.base import ServiceBase, StatesReader
from treering_services.notifier.courier import Courier
from treering_services.notifier.desk import Desk, Pauses, SigningKey
from treering_services.notifier.messages import Messages
from treering_services.notifier.questions import Questions

SEAM_POSITIONS = 1000  # a read that is answered by a replica may be this far behind; see gateway/hub.py
START_SECONDS = 10.0
ASKED_SECONDS = 5.0  # that a question waits for the view; who asks it waits no longer than twice this
REPLAY_SECONDS_MAX = 24 * 60 * 60.0  # for a view that is computed again from a long log, or whose disk is full
SEALING_SECONDS_MAX = 60.0  # from when the secret of a new webhook is sealed until the log has the webhook
log = structlog.get_logger()


@dataclass
class Notifier:
    """``couriers`` by webhook; ``by_address`` finds those who want what an entry is about. ``seen``: the position of
    the newest state of each that was taken up; ``sealed``: the ids of the secrets it had then."""

    desk: Desk
    reader: StatesReader
    secrets: SealedStore
    values: SealedValues
    couriers: dict[Key, tuple[Courier, asyncio.Task[None]]] = field(default_factory=dict)
    by_address: dict[tuple[str, str, str], list[Courier]] = field(default_factory=dict)
    seen: dict[Key, int] = field(default_factory=dict)
    sealed: dict[Key, set[str]] = field(default_factory=dict)
    expiring: dict[Key, asyncio.TimerHandle] = field(default_factory=dict)
    taking_up: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> int:
        """Take up every webhook there is; the position behind which ``follow`` goes on."""
        head = await self.desk.log.head()
        self.desk.lineage = await read_lineage(self.desk.log)
        await self.reader.projector.reached(head, timeout_seconds=REPLAY_SECONDS_MAX)
        known = await self.reader.view.when_sound(
            lambda db: with_status(db, WEBHOOK.kind, ["active", "paused", "deleted"])
        )
        for address, webhook, at in known:
            if webhook.status == "deleted":
                self.remove_left_secrets((address.workspace, address.key))
            await until_written(partial(self.take_up, address, webhook, at, head), "the deliveries of webhooks")
        return max(head - SEAM_POSITIONS, 0)

    async def follow(self, starting: asyncio.Task[int]) -> None:
        """Go on behind the position that ``starting`` gives, until cancelled."""
        try:
            after = await starting
        finally:
            await end(starting)
        async for batch in self.reader.feed.follow(after=after):
            for entry in batch:
                await until_written(partial(self.entry, entry), "the deliveries of webhooks")

    async def entry(self, entry: Entry) -> None:
        address = address_or_none(entry.subject)
        if address is None:
            return
        if address == EPOCHS:
            self.desk.lineage = with_entry(self.desk.lineage, entry)
        if address.kind == WEBHOOK.kind:
            await self.know(address, entry.position, timeout_seconds=REPLAY_SECONDS_MAX)
        for one in addresses_of(address):
            for courier in self.by_address.get(one, ()):
                courier.announce(entry.position)

    async def know(self, address: Address, position: int, *, timeout_seconds: float = ASKED_SECONDS) -> None:
        """Take up a webhook as it is at ``position`` or later; ``Refused("view.behind")`` when that takes too long."""
        await self.reader.projector.reached(position, timeout_seconds)
        async with self.taking_up:
            try:
                found = await self.reader.view.when_sound(lambda db: show(db, address), by_key=True)
            except Refused as refused:  # What it wants now is not known, so it is told nothing more.
                log.error("webhook.incomplete", webhook=str(address), why=refused.detail)
                await self.put_down((address.workspace, address.key))
                return
            if found is not None:
                webhook = WEBHOOK.states.decode(found.state)
                await self.take_up(address, webhook, found.position, max(position, found.position))

    async def take_up(self, address: Address, webhook: Webhook, at: int, head: int) -> None:
        """Begin, go on, change or end, as the webhook is at the position ``at``. Saying it again is harmless, and so
        is saying what it was before."""
        key = (address.workspace, address.key)
        if at < self.seen.get(key, 0):
            return
        self.seen[key] = at
        running = self.couriers.get(key)
        if running and running[0].webhook == webhook:
            return
        await self.put_down(key)
        if webhook.status == "deleted":
            self.expire(key, webhook)
            self.desk.store.forget(key)
            self.forget_secrets(key, webhook)
            return
        epoch = f"{webhook.since}:{webhook.replay}"
        standing = self.desk.store.standing(key)
        if standing is None or standing.epoch != epoch:
            self.desk.store.begin(key, epoch, webhook.since)
            standing = None
        self.go_on(key, standing, head)
        self.expire(key, webhook)
        self.forget_secrets(key, webhook)
        if webhook.status == "active":
            self.begin(key, webhook, head)

    def go_on(self, key: Key, standing: Standing | None, head: int) -> None:
        """In the log as it is now. Where it was restored since, what stood behind the last position that both logs
        have is another event now: the webhook goes on there, and says so."""
        lineage, known = self.desk.lineage, self.desk.store.log_known(key)
        epoch = "" if lineage.current == FIRST else lineage.current
        common = lineage.common(known.epoch, head)
        beyond = standing is not None and standing.position > common
        if known.epoch == epoch and not beyond:
            return
        note = known.note if standing else ""
        if standing is not None and beyond:
            note = f"the log was restored, and what was at {common + 1} to {standing.position} is gone from it; this "
            note += f"webhook went on behind {common}, in epoch {lineage.current}"
            log.warning("webhook.other_log", webhook=key, position=standing.position, common=common, why=note)
        self.desk.store.go_on(key, LogKnown(epoch, note), common if standing else EXACT_MAX)

    def begin(self, key: Key, webhook: Webhook, head: int) -> None:
        try:
            signing = self.signing(key, webhook)
            url = whole_address(self.values, Address(key[0], WEBHOOK.kind, key[1]), webhook)
        except (Refused, UnicodeDecodeError, OSError) as error:
            log.error("webhook.secret_unreadable", webhook=key, why=str(error))
            return
        if signing is None:
            log.error("webhook.secret_missing", webhook=key, cure="treering webhook rotate-secret")
            return
        courier = Courier(self.desk, key, webhook, url, signing, head)
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
        found = [SigningKey(signing_key(webhook.body, know(newest.decode())))]
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
        await end(task)

    def forget_secrets(self, key: Key, webhook: Webhook) -> None:
        """Remove the sealed files of secrets that it had and has no more. A file of another id is left alone: the
        gateway seals the secret of a new webhook of the same name before the log says that there is one."""
        has = {webhook.secret, webhook.previous} - {""}
        for id in self.sealed.get(key, set()) - has:
            self.secrets.remove(secret_name(*key, id))
        self.sealed[key] = has

    def remove_left_secrets(self, key: Key) -> None:
        """Of a webhook that was deleted while nobody was here, whatever their ids were."""
        for path in self.secrets.folder.glob(f"{secret_name(*key, '*')}.sealed"):
            with suppress(FileNotFoundError):  # the gateway removes some too
                if time.time() - path.stat().st_mtime > SEALING_SECONDS_MAX:
                    remove_kept(path)

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
        reached = partial(reader.projector.reached, timeout_seconds=REPLAY_SECONDS_MAX)
        desk = Desk(JetStreamLog(client), store, egress, Messages(reader.view, reached), pauses or Pauses())
        notifier = Notifier(desk, reader, webhook_secrets(base.home), SealedValues(base.home))
        try:
            starting = asyncio.create_task(notifier.start())
            # A view that is computed again from a long log takes its time. Webhooks wait for it, the start does not.
            await asyncio.wait({starting}, timeout=START_SECONDS)
            await Responder(client, "hook.*", handler(Questions(notifier)), askers=Askers()).start()
            await base.work(started, notifier.follow(starting))
        finally:
            await notifier.stop()
            store.close()


def handler(questions: Questions) -> Callable[[str, bytes], Awaitable[bytes]]:
    async def handle(subject: str, body: bytes) -> bytes:
        value: Any = await questions.ask(subject.partition(".")[2], body)
        return answered(value)

    return handle
