"""Group commit for one JetStream stream: appends that wait at the same time share a disk sync.

A single nats-server with ``sync_interval: always`` syncs once a message, or once an atomic batch; staging a batch
costs it some work of its own (docs/adr/0003-group-commit.md has the figures). So very few waiting appends are
published one by one, more as one batch; while it is under way the next ones gather.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

import msgspec
import nats.errors
import structlog
from msgspec import Struct
from nats.aio.client import Client

from treering.adapters.stalls import Stalls
from treering.kernel.clock import new_id
from treering.kernel.ending import run_each
from treering.kernel.log import Appended, Conflict, LogFull, LogUnavailable
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import MESSAGE_BYTES_MAX

BATCH_MAX = 400  # the server's limit is 1,000 messages
BATCH_BYTES_MAX = 4 * 1024 * 1024  # staged in memory
SINGLES_MAX = 3
WAITING_MAX = 20_000
TIMEOUT_SECONDS = 5.0
WRONG_LAST_SEQUENCE = 10071
NO_ROOM = frozenset({10023, 10047, 10077})  # of the account, of the server, of the stream
log = structlog.get_logger()
REQUEST_FAILED = (nats.errors.Error, asyncio.TimeoutError, ConnectionError, OSError)


class Waiting(NamedTuple):
    subject: str
    body: bytes
    headers: dict[str, str]
    done: asyncio.Future[Appended]


class ServerError(Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class Ack(Struct, frozen=True):
    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    count: int = 0
    error: ServerError | None = None


acks: msgspec.json.Decoder[Ack] = msgspec.json.Decoder(Ack)


class Appender:
    """One per process: takes appends, answers each when it is on disk."""

    def __init__(self, client: Client, *, group: bool = True) -> None:
        self.client = client
        self.batch_min = SINGLES_MAX + 1 if group else WAITING_MAX + 1
        self.waiting: deque[Waiting] = deque()
        self.running: asyncio.Task[None] | None = None
        self.stalls: Stalls | None = None

    async def append(self, subject: str, body: bytes, *, id: str, expected: int) -> Appended:
        if len(self.waiting) >= WAITING_MAX:
            raise LogUnavailable(f"{WAITING_MAX} appends are waiting already; try again later")
        headers = {"Nats-Msg-Id": id, "Nats-Expected-Last-Subject-Sequence": str(expected)}
        done: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self.waiting.append(Waiting(subject, body, headers, done))
        if self.running is None:
            self.running = asyncio.create_task(self.drain())
        return await done

    async def drain(self) -> None:
        try:
            while self.waiting:
                await self.append_group(self.next_group())
        finally:
            self.running = None

    async def append_group(self, group: list[Waiting]) -> None:
        """Whatever goes wrong, each is answered: who waits here holds up all other commands on his aggregate."""
        try:
            if len(group) < self.batch_min:
                await self.append_singly(group)
            else:
                await self.append_together(group)
        except Exception as error:
            log.exception("append.failed", appends=len(group))
            for waiting in group:
                settle(waiting, LogUnavailable(f"the append failed: {error!r}"))

    def next_group(self) -> list[Waiting]:
        """The next appends in order, at most one a subject: a batch may not expect its own effects."""
        group: list[Waiting] = []
        subjects: set[str] = set()
        later: deque[Waiting] = deque()
        left_bytes = BATCH_BYTES_MAX
        while self.waiting and len(group) < BATCH_MAX and left_bytes > 0:
            waiting = self.waiting.popleft()
            if waiting.done.done():
                continue
            if waiting.subject in subjects:
                later.append(waiting)
            else:
                subjects.add(waiting.subject)
                group.append(waiting)
                left_bytes -= len(waiting.body)
        self.waiting.extendleft(reversed(later))
        return group

    async def append_singly(self, group: list[Waiting]) -> None:
        if len(group) == 1:
            await self.append_one(group[0])
        elif group:
            await run_each(*(self.append_one(waiting) for waiting in group))

    async def append_one(self, waiting: Waiting) -> None:
        try:
            ack = await self.request(waiting.subject, waiting.body, waiting.headers)
        except (LogUnavailable, Refused) as error:
            settle(waiting, error)
            return
        if ack.error is None:
            settle(waiting, Appended(ack.seq, ack.duplicate))
        else:
            settle(waiting, refusal(waiting.subject, ack.error))

    async def append_together(self, group: list[Waiting]) -> None:
        """One atomic batch. When any member is refused the server stores none: then each goes alone."""
        batch = new_id()
        *body, last = group
        try:
            for number, waiting in enumerate(body, start=1):
                headers = {**waiting.headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
                await self.client.publish(waiting.subject, waiting.body, headers=headers)
            headers = {**last.headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(len(group))}
            ack = await self.request(last.subject, last.body, {**headers, "Nats-Batch-Commit": "1"})
        except (Refused, nats.errors.MaxPayloadError):  # one of them is too large, and was not sent: each goes alone
            await self.append_singly(group)
            return
        except (LogUnavailable, *REQUEST_FAILED) as error:
            for waiting in group:
                settle(waiting, LogUnavailable(str(error)))
            return
        if ack.error is not None or ack.count != len(group):
            await self.append_singly(group)
            return
        first = ack.seq - len(group) + 1
        for position, waiting in enumerate(group, start=first):
            settle(waiting, Appended(position, duplicate=False))

    async def request(self, subject: str, body: bytes, headers: dict[str, str]) -> Ack:
        stalls = self.stalls = self.stalls or Stalls(self.client, subject.partition(".")[0])
        try:
            reply = await self.client.request(subject, body, timeout=TIMEOUT_SECONDS, headers=headers)
            stalls.acknowledged()
            return acks.decode(reply.data)
        except nats.errors.MaxPayloadError:
            raise larger_than_the_bus(len(body), self.client) from None
        except REQUEST_FAILED as error:
            await stalls.unanswered(error)
            raise LogUnavailable(f"no acknowledgement for {subject}: {error or type(error).__name__}") from error
        except msgspec.MsgspecError as error:
            raise LogUnavailable(f"an unreadable acknowledgement for {subject}: {error}") from error


def larger_than_the_bus(size_bytes: int, client: Client) -> Refused:
    """For a message that this server does not take, whoever says it again: one of an older release, or another's."""
    why = f"this is {size_bytes} bytes, and the NATS server takes messages of {client.max_payload}; send less at once"
    return Refused("request.too_large", f"{why}, or start it as this release does (max_payload {MESSAGE_BYTES_MAX})")


def refusal(subject: str, error: ServerError) -> Exception:
    if error.err_code == WRONG_LAST_SEQUENCE:
        return Conflict(subject)
    if error.err_code in NO_ROOM:
        return LogFull(f"the store of the log is full ({error.description}): give it room, and it goes on by itself")
    return LogUnavailable(f"the log refused {subject}: {error.description} ({error.err_code})")


def settle(waiting: Waiting, outcome: Appended | Exception) -> None:
    if waiting.done.done():
        return
    if isinstance(outcome, Exception):
        waiting.done.set_exception(outcome)
    else:
        waiting.done.set_result(outcome)
