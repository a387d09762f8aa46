"""One webhook's deliveries: in the order of the log, several at once, each until it is taken or given up.

    log --page--> window --2xx--> delivered
                    |--else--> again, after a pause that grows --attempts_max--> dead

A sink has a courier, connections and a window of its own, so it harms nobody but itself. What is under way when we
die is sent again: at least once, with the same webhook-id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import structlog

from treering.adapters.delivery_store import Key, Letter
from treering.adapters.http_post import Answered, Poster
from treering.domain.webhook import Webhook
from treering.kernel.disk import CannotWrite
from treering.kernel.ending import end, run_together
from treering.kernel.log import Entry, LogUnavailable
from treering.kernel.webhook_signature import mlflow_headers, signature_headers
from treering_services.notifier.desk import Desk, SigningKey
from treering_services.notifier.messages import Message, selection_of

WINDOW = 32  # deliveries at once to one sink
PAGE = 256
PAGE_BYTES_MAX = 1024 * 1024
AGAIN_MAX = 1000  # events one sink may have waiting to be tried again; then it gets no new ones
SAVE_SECONDS = 0.2
BEHIND_SECONDS = 0.05  # before a read that came too early is made again
UNAVAILABLE_SECONDS = 1.0
WHY_CHARACTERS_MAX = 300
log = structlog.get_logger()


class Courier:
    def __init__(
        self, desk: Desk, key: Key, webhook: Webhook, url: str, signing: Sequence[SigningKey], head: int
    ) -> None:
        """``url``: its whole address. ``head``: of the log now. What comes behind it is announced by ``announce``.

        ``signing``: all that it signs with, the newest first; none signs nothing.
        """
        self.desk = desk
        self.key = key
        self.webhook = webhook
        self.signing = signing
        self.selection = selection_of(key[0], webhook)
        self.poster = Poster(url, desk.egress)
        standing = desk.store.standing(key)
        self.position = standing.position if standing else 0
        self.head = head
        self.announced = 0
        self.under_way: dict[tuple[int, int], Letter] = {}  # in the order of the log
        self.again = {(one.position, one.number): one for one in desk.store.retries(key)}
        self.window = asyncio.Semaphore(WINDOW)
        self.moved = asyncio.Event()
        self.retry_moved = asyncio.Event()
        self.delivering: set[asyncio.Task[None]] = set()
        self.delivered = 0
        self.changed = False
        self.unsaved: dict[tuple[int, int], Letter] = {}
        self.given_up: list[Letter] = []
        self.done: list[Letter] = []
        self.last_failure = ""

    def announce(self, position: int) -> None:
        """The log has something for us at ``position``."""
        self.announced = position
        self.moved.set()

    async def run(self) -> None:
        try:
            await run_together(*(patiently(part) for part in (self.feed, self.retry, self.keep)))
        finally:
            await end(*self.delivering)
            with suppress(CannotWrite):  # What is not written down is delivered again.
                self.save()
            self.poster.close()

    async def feed(self) -> None:
        while True:
            self.moved.clear()
            known = max(self.head, self.announced)
            if self.position >= known or len(self.again) >= AGAIN_MAX:
                await self.moved.wait()
                continue
            # What stands behind that may come after a pause or a deletion that we have not been told of yet.
            page = [entry for entry in await self.page() if entry.position <= known]
            for entry in page:
                await self.send_all(entry)
                self.position = entry.position
                self.changed = True
            if page:
                continue
            if self.announced > self.position:  # it is there: a replica that is behind has answered
                await asyncio.sleep(BEHIND_SECONDS)
            else:
                self.position, self.changed = self.head, True

    async def page(self) -> list[Entry]:
        query: dict[str, object] = {"seq": self.position + 1, "batch": PAGE, "next_by_subj": self.selection.subject}
        return await self.desk.log.read_batch({**query, "max_bytes": PAGE_BYTES_MAX})

    async def send_all(self, entry: Entry) -> None:
        for message in await self.messages_of(entry):
            letter = Letter(entry.position, message.number)
            await self.window.acquire()
            self.under_way[letter[:2]] = letter
            self.start(self.deliver(letter, message))

    async def messages_of(self, entry: Entry) -> list[Message]:
        """None of an entry that no message can be made of: it must not hold up all that come behind it."""
        try:
            epoch = self.desk.lineage.epoch_of(entry.position)
            return await self.desk.messages.of(entry, self.webhook, self.selection, epoch)
        except LogUnavailable:
            raise
        except Exception:
            log.exception("webhook.entry_left_out", webhook=self.key, position=entry.position)
            return []

    def start(self, delivery: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(delivery)
        self.delivering.add(task)
        task.add_done_callback(self.delivering.discard)

    async def deliver(self, letter: Letter, message: Message) -> None:
        id = self.desk.lineage.id(letter.position, letter.number)
        try:
            answered = await self.post(id, message)
        except Exception:  # one event must not hold up all that come behind it
            log.exception("webhook.failed", webhook=self.key, id=id)
            answered = Answered(0, "the notifier failed on this event; its log says why")
        finally:
            self.window.release()
        self.note(letter, answered)

    async def post(self, id: str, message: Message) -> Answered:
        sign = mlflow_headers if self.webhook.body == "mlflow" else signature_headers
        at = time.time()
        headers = sign([one.key for one in self.signing if at < one.until], id, int(at), message.body)
        headers["content-type"] = message.media_type
        return await self.poster.post(message.body, headers, self.webhook.timeout_seconds)

    def note(self, letter: Letter, answered: Answered) -> None:
        """What became of one attempt. Written down by the next ``save``, with the position that depends on it."""
        place = letter[:2]
        self.changed = True
        self.under_way.pop(place, None)
        self.unsaved.pop(place, None)
        was_waiting = self.again.pop(place, None) is not None
        if 200 <= answered.status < 300:
            self.delivered += 1
            if was_waiting:
                self.done.append(letter)
        else:
            why = (answered.why or f"the sink answered {answered.status}")[:WHY_CHARACTERS_MAX]
            self.last_failure = why
            self.failed(letter._replace(attempts=letter.attempts + 1, why=why))
        self.moved.set()

    def failed(self, letter: Letter) -> None:
        if letter.attempts >= self.webhook.attempts_max:
            self.given_up.append(letter._replace(at=time.time()))
            return
        later = letter._replace(at=time.time() + self.desk.pauses.after(letter.attempts))
        self.again[letter[:2]] = self.unsaved[letter[:2]] = later
        self.retry_moved.set()

    async def retry(self) -> None:
        """Try again what is due, the longest due first."""
        trying: set[tuple[int, int]] = set()
        while True:
            self.retry_moved.clear()
            waiting = [one for place, one in self.again.items() if place not in trying]
            first = min(waiting, key=lambda one: one.at, default=None)
            pause = first.at - time.time() if first else None
            if first is None or pause is None or pause > 0:
                await wait(self.retry_moved, pause)
                continue
            await self.window.acquire()
            trying.add(first[:2])
            self.start(self.try_again(first, trying))

    async def try_again(self, letter: Letter, trying: set[tuple[int, int]]) -> None:
        try:
            message = await self.message_of(letter)
            if message is None:  # the webhook does not select it any more
                self.again.pop(letter[:2], None)
                self.done.append(letter)
                self.changed = True
                self.window.release()
            else:
                await self.deliver(letter, message)
        except LogUnavailable:
            self.window.release()
            self.again[letter[:2]] = letter._replace(at=time.time() + UNAVAILABLE_SECONDS)
        finally:
            trying.discard(letter[:2])
            self.retry_moved.set()

    async def message_of(self, letter: Letter) -> Message | None:
        entry = await self.desk.log.at(letter.position)
        if entry is None:
            return None
        messages = await self.messages_of(entry)
        return next((one for one in messages if one.number == letter.number), None)

    async def keep(self) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            self.save()

    def save(self) -> None:
        if not self.changed:
            return
        first = next(iter(self.under_way.values()), None)
        position = first.position - 1 if first else self.position
        self.desk.store.save(self.key, position, self.delivered, self.unsaved.values(), self.given_up, self.done)
        self.changed, self.delivered = False, 0
        self.unsaved, self.given_up, self.done = {}, [], []

    def revive(self, letters: list[Letter]) -> None:
        """Dead letters are to be tried again, now."""
        for letter in letters:
            self.again[letter[:2]] = letter
        self.retry_moved.set()


async def patiently(part: Callable[[], Awaitable[None]]) -> None:
    """Run one part of the courier; while log or disk take nothing, wait and go on where it was."""
    while True:
        try:
            await part()
        except LogUnavailable:
            await asyncio.sleep(UNAVAILABLE_SECONDS)
        except CannotWrite as full:
            log.error("disk.waiting", writing="the deliveries of webhooks", why=str(full))
            await asyncio.sleep(UNAVAILABLE_SECONDS)


async def wait(event: asyncio.Event, seconds: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
