"""The event log on one JetStream stream: one subject per aggregate, one message per commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from treering.adapters.appender import REQUEST_FAILED, Appender
from treering.adapters.follower import follow_stream
from treering.kernel.ending import keep_cancellation
from treering.kernel.log import Appended, Entry, LogUnavailable

READ_BATCH_MAX = 256
READ_BYTES_MAX = 8 * 1024 * 1024  # of a batch, unless one commit alone is longer
READ_TIMEOUT_SECONDS = 5.0
STREAM_MISSING = "the event stream does not exist: run the bootstrap step, or restore it (treering log restore)"


class JetStreamLog:
    """The ``EventLog`` port on the stream ``name``. ``group=False`` turns group commit off (for benches)."""

    def __init__(self, client: Client, name: str = "EVT", *, group: bool = True) -> None:
        self.client = client
        self.name = name
        self.appender = Appender(client, group=group)

    async def append(self, subject: str, body: bytes, *, id: str, expected: int) -> Appended:
        return await self.appender.append(subject, body, id=id, expected=expected)

    async def read(self, subject: str, *, after: int = 0) -> Sequence[Entry]:
        """Batched direct gets: one round trip for up to 256 commits. A batch that is near neither of its bounds was the
        last one; the server counts headers too."""
        found: list[Entry] = []
        query: dict[str, object] = {"batch": READ_BATCH_MAX, "max_bytes": READ_BYTES_MAX, "next_by_subj": subject}
        while True:
            start = found[-1].position if found else after
            batch = await self.read_batch({**query, "seq": start + 1})
            found.extend(batch)
            if len(batch) < READ_BATCH_MAX and sum(len(entry.body) for entry in batch) < READ_BYTES_MAX // 2:
                return found

    async def at(self, position: int) -> Entry | None:
        """The one entry at ``position``; None when the stream does not have it."""
        found = await self.read_batch({"seq": position, "batch": 1})
        return found[0] if found and found[0].position == position else None

    async def read_batch(self, query: dict[str, object]) -> list[Entry]:
        inbox = self.client.new_inbox()
        replies = await self.client.subscribe(inbox)
        found: list[Entry] = []
        try:
            subject = f"$JS.API.DIRECT.GET.{self.name}"
            await self.client.publish(subject, msgspec.json.encode(query), reply=inbox)
            while True:
                message = await keep_cancellation(replies.next_msg(timeout=READ_TIMEOUT_SECONDS))
                status = (message.headers or {}).get("Status", "")
                if status == "503":
                    raise LogUnavailable(STREAM_MISSING)
                if status:  # 204: end of the batch, 404: nothing found
                    return found
                found.append(direct_entry(message))
        except REQUEST_FAILED as error:
            raise LogUnavailable(f"no answer to a read of {self.name}: {error or type(error).__name__}") from error
        finally:
            if not self.client.is_closed:
                await replies.unsubscribe()

    async def follow(self, *, after: int = 0, subject: str = "evt.>") -> AsyncIterator[Sequence[Entry]]:
        async for batch in follow_stream(self.client, self.name, after=after, subject=subject):
            yield [Entry(message.position, message.subject, message.data) for message in batch]

    async def head(self) -> int:
        try:
            reply = await self.client.request(f"$JS.API.STREAM.INFO.{self.name}", b"", timeout=READ_TIMEOUT_SECONDS)
        except REQUEST_FAILED as error:
            raise LogUnavailable(f"no answer to a question about {self.name}: {error}") from error
        info = msgspec.json.decode(reply.data)
        if "error" in info:
            raise LogUnavailable(STREAM_MISSING)
        return int(info["state"]["last_seq"])


def direct_entry(message: Msg) -> Entry:
    headers = message.headers or {}
    return Entry(int(headers["Nats-Sequence"]), headers["Nats-Subject"], message.data)
