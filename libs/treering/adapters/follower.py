"""Follow a JetStream stream in order, for ever: an ordered push consumer that mends itself.

Each consumer is ephemeral and without acknowledgements. A gap in its own count, a missing heartbeat or a
reconnection all lead to the same cure: a new consumer from the position after the last one delivered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import structlog
from nats.aio.client import Client

from treering.adapters.appender import REQUEST_FAILED
from treering.adapters.nats_connect import Connection
from treering.kernel.clock import new_id

HEARTBEAT_SECONDS = 0.5
SILENCE_MAX_SECONDS = 1.75
CREATE_TIMEOUT_SECONDS = 3.0
RETRY_SECONDS = 0.2
BATCH_MAX = 1000
WAITING_MAX = 10_000
BYTES_MAX = 8 * 1024 * 1024  # of a batch, and of what waits: a message of metric points may have a MiB
NANOSECONDS = 1_000_000_000
log = structlog.get_logger()


class Message(NamedTuple):
    position: int
    subject: str
    data: bytes
    pending: int  # how many more matched when this one was sent


class Broken(Exception):
    """This consumer is of no more use; the next one starts where it ended."""


async def follow_stream(client: Client, stream: str, *, after: int, subject: str) -> AsyncIterator[list[Message]]:
    """Yield every message behind ``after`` that matches ``subject``, in batches, without gap or repeat."""
    while True:
        consumer = Consumer(client, stream, after, subject)
        try:
            await consumer.open()
            async for batch in consumer.batches():
                after = batch[-1].position
                yield batch
        except Broken as broken:
            log.debug("follower.reopened", stream=stream, after=after, why=str(broken))
        except REQUEST_FAILED as error:
            log.debug("follower.waiting", stream=stream, after=after, why=str(error) or type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            await consumer.close()


class Consumer:
    def __init__(self, client: Client, stream: str, after: int, subject: str) -> None:
        assert isinstance(client, Connection)
        self.client = client
        self.stream = stream
        self.after = after
        self.subject = subject
        self.name = f"f{new_id()}"
        self.delivered = 0
        self.waiting: list[Message] = []
        self.waiting_bytes = 0
        self.arrived = asyncio.Event()
        self.held = ""  # a flow-control request that waits until we have worked off what came
        self.broken: str = ""
        self.subscription: Any = None

    async def open(self) -> None:
        inbox = self.client.new_inbox()
        self.subscription = await self.client.subscribe(inbox)
        self.client.listen(self.subscription._id, self)  # before the consumer is there, so nothing came yet
        request = {"stream_name": self.stream, "config": self.config(inbox), "action": "create"}
        subject = f"$JS.API.CONSUMER.CREATE.{self.stream}.{self.name}.{self.subject}"
        reply = await self.client.request(subject, msgspec.json.encode(request), timeout=CREATE_TIMEOUT_SECONDS)
        error = msgspec.json.decode(reply.data).get("error")
        if error:
            raise ConnectionError(f"no consumer on {self.stream}: {error.get('description')}")

    def config(self, inbox: str) -> dict[str, object]:
        return {
            "name": self.name,
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.after + 1,
            "filter_subject": self.subject,
            "ack_policy": "none",
            "max_deliver": 1,
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT_SECONDS * NANOSECONDS),
            "inactive_threshold": 5 * NANOSECONDS,
            "mem_storage": True,
            "num_replicas": 1,
        }

    def deliver(self, subject: bytes, reply: bytes, data: bytes) -> None:
        # $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>
        tokens = reply.split(b".")
        if int(tokens[6]) != self.delivered + 1:
            self.break_off(f"message {int(tokens[6])} of the consumer came after {self.delivered}")
            return
        self.delivered += 1
        said = subject.decode(errors="surrogateescape")  # the server takes any bytes
        self.waiting.append(Message(int(tokens[5]), said, data, int(tokens[8])))
        self.waiting_bytes += len(data)
        self.arrived.set()

    async def control(self, reply: str, headers: Mapping[str, str]) -> None:
        self.held = reply or headers.get("Nats-Consumer-Stalled", "") or self.held
        await self.let_flow()
        last = headers.get("Nats-Last-Consumer")
        if last is not None and int(last) != self.delivered:
            self.break_off(f"the server sent {last} messages, {self.delivered} came")
        self.arrived.set()

    async def let_flow(self) -> None:
        """Answer the server's flow control, unless so much waits already: that keeps memory flat on a replay."""
        if self.held and len(self.waiting) <= WAITING_MAX and self.waiting_bytes <= BYTES_MAX:
            held, self.held = self.held, ""
            await self.client.publish(held)

    def break_off(self, why: str) -> None:
        self.broken = self.broken or why
        self.arrived.set()

    async def batches(self) -> AsyncIterator[list[Message]]:
        while True:
            try:
                async with asyncio.timeout(SILENCE_MAX_SECONDS):
                    await self.arrived.wait()
            except TimeoutError:
                raise Broken("no heartbeat") from None
            self.arrived.clear()
            while self.waiting:
                batch = self.next_batch()
                await self.let_flow()
                yield batch
            if self.broken:
                raise Broken(self.broken)

    def next_batch(self) -> list[Message]:
        """The messages that came first, as many as a batch holds."""
        batch, self.waiting = self.waiting[:BATCH_MAX], self.waiting[BATCH_MAX:]
        size = sum(len(message.data) for message in batch)
        while size > BYTES_MAX and len(batch) > 1:
            half = len(batch) // 2
            batch, self.waiting = batch[:half], batch[half:] + self.waiting
            size = sum(len(message.data) for message in batch)
        self.waiting_bytes -= size
        return batch

    async def close(self) -> None:
        if self.subscription is None:
            return
        self.client.unlisten(self.subscription._id)
        if self.client.is_closed:
            return
        with suppress(*REQUEST_FAILED):
            await self.subscription.unsubscribe()
            await self.client.publish(f"$JS.API.CONSUMER.DELETE.{self.stream}.{self.name}")
