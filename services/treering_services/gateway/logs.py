"""A job's console: live from the LOG stream while it runs, from its archived log when that has aged out."""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response, StreamingResponse

from treering.adapters.follower import Message
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.trees import read_manifest
from treering.domain.job import JOB, TERMINAL, Job
from treering.kernel.clock import monotonic_seconds
from treering.kernel.log import encoder
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, encode_token
from treering_services.gateway.blobs import begun
from treering_services.gateway.call import Call
from treering_services.gateway.core import Gateway, checked_address
from treering_services.gateway.tail import EVENT_STREAM, HEARTBEAT, HEARTBEAT_SECONDS, Tail, sse

PAGE = 256
LOOK_SECONDS = 0.5  # how often a silent job is looked at
LOOK_SOON_SECONDS = 0.05  # the same, when its console has ended, or it has ended and never said anything
MARK_WAIT_SECONDS = 2.0  # a console whose executor died has no end mark
TEXT = "text/plain"
CONSOLE_FILE = "user_logs/std_log.txt"


class LogsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``start``: the first stream sequence to send. With ``follow`` the answer is server-sent events."""

    follow: bool = False
    start: Annotated[int, Meta(ge=0, le=2**53)] = 0
    after: Annotated[int, Meta(ge=0, le=2**53)] = 0


class LogChunk(Struct, frozen=True):
    attempt: int
    text: str


class LogEnd(Struct, frozen=True):
    status: str


async def job_logs(call: Call) -> Response:
    query = call.query(LogsQuery)
    console = Console(call.gateway, checked_address(call.workspace, JOB.kind, call.params["key"]), call.caller.key)
    await console.look(query.after)
    last = call.header(b"last-event-id")
    behind = int(last) if is_number(last) else max(query.start - 1, 0)
    await require_written(call.gateway, behind)
    if not query.follow:
        return StreamingResponse(await begun(console.plain(behind)), media_type=f"{TEXT}; charset=utf-8")
    call.gateway.open_streams.check_room(call.caller.key)
    chunks = console.server_sent(behind)
    return StreamingResponse(chunks, media_type=EVENT_STREAM, headers={"cache-control": "no-store"})


async def require_written(gateway: Gateway, behind: int) -> None:
    """``Refused("logs.start_ahead")`` for what no console has said: it would be waited for without a word."""
    if behind and behind > (head := await JetStreamLog(gateway.client, "LOG").head()):
        why = f"what comes behind {behind} is asked for, and the last that a console said is {head}"
        raise Refused("logs.start_ahead", f"{why}; begin again without start or Last-Event-ID")


class Console:
    """One reader of one job's console."""

    def __init__(self, gateway: Gateway, address: Address, owner: str = "") -> None:
        self.gateway = gateway
        self.owner = owner
        self.address = address
        self.subject = f"log.{encode_token(address.workspace)}.{encode_token(address.key)}.*"
        self.job = Job()
        self.decoders: dict[int, codecs.IncrementalDecoder] = {}
        self.ended: set[int] = set()  # attempts whose end mark was seen

    async def look(self, after: int = 0) -> None:
        self.job = JOB.states.decode((await self.gateway.get(self.address, after=after)).state)

    async def plain(self, behind: int) -> AsyncIterator[bytes]:
        """What there is now, as bytes. The archive of a finished job has all of its last attempt."""
        if self.job.logs and not behind:
            async for chunk in self.archived():
                yield chunk
            return
        async for message in self.stored(behind):
            yield message.data

    async def server_sent(self, behind: int) -> AsyncIterator[bytes]:
        if self.job.status in TERMINAL:
            sent = False
            async for message in self.stored(behind):
                sent = True
                yield self.event(message)
            if not sent and not behind:
                async for event in self.archived_events():
                    yield event
            yield end_event(self.job)
            return
        async for event in self.live(behind):
            yield event

    async def live(self, behind: int) -> AsyncIterator[bytes]:
        """Follow the console until the job is over and its last attempt has said that it has said everything."""
        heard_at = monotonic_seconds()
        over_since: float | None = None
        tail = Tail(self.gateway.client, "LOG", after=behind, subject=self.subject, owner=self.owner)
        async for batch in self.gateway.open_streams.read(tail, self.look_seconds):
            if batch:
                heard_at = monotonic_seconds()
                yield b"".join([self.event(message) for message in batch])
            await self.look()
            if self.job.status in TERMINAL:
                over_since = over_since or monotonic_seconds()
                if self.complete(batch) or monotonic_seconds() - over_since > MARK_WAIT_SECONDS:
                    yield end_event(self.job)
                    return
            if monotonic_seconds() - heard_at >= HEARTBEAT_SECONDS:
                heard_at = monotonic_seconds()
                yield HEARTBEAT + b"\n"

    def complete(self, batch: list[Message]) -> bool:
        """Whether a job that is over has said everything. One whose log was not archived said nothing at all, so no
        end mark will come; unless its executor died, and then what is stored has come once nothing more does.
        """
        return self.job.attempt in self.ended | {0} or (not self.job.logs and not batch)

    def look_seconds(self) -> float:
        silent = self.job.status in TERMINAL and not self.job.logs
        return LOOK_SOON_SECONDS if silent or self.job.attempt in self.ended else LOOK_SECONDS

    def event(self, message: Message) -> bytes:
        attempt = int(message.subject.rpartition(".")[2])
        if not message.data:
            self.ended.add(attempt)
            return b""
        return self.chunk_event(attempt, message.data, str(message.position))

    def chunk_event(self, attempt: int, data: bytes, id: str) -> bytes:
        """A character may be cut in two by the end of a chunk: the first half waits for the second."""
        decoder = self.decoders.setdefault(attempt, codecs.getincrementaldecoder("utf-8")("replace"))
        return sse("log", id, encoder.encode(LogChunk(attempt, decoder.decode(data))))

    async def stored(self, behind: int) -> AsyncIterator[Message]:
        log = JetStreamLog(self.gateway.client, "LOG")
        while page := await log.read_batch({"seq": behind + 1, "batch": PAGE, "next_by_subj": self.subject}):
            behind = page[-1].position
            for entry in page:
                yield Message(entry.position, entry.subject, entry.body, 0)

    async def archived_events(self) -> AsyncIterator[bytes]:
        """The archive, or why there is none any more: to break off would make the reader ask again and again."""
        try:
            async for chunk in self.archived():
                yield self.chunk_event(self.job.attempt, chunk, "")
        except Refused as refused:
            said = f"treering: the archived log cannot be shown: {refused.detail} ({refused.code})\n"
            yield self.chunk_event(self.job.attempt, said.encode(), "")

    async def archived(self) -> AsyncIterator[bytes]:
        if not self.job.logs:
            return
        manifest = await read_manifest(self.gateway.blobs, self.job.logs)
        for file in manifest.files:
            if file.path == CONSOLE_FILE:
                async for chunk in self.gateway.blobs.read(file.digest):
                    yield chunk


def end_event(job: Job) -> bytes:
    return sse("end", "", encoder.encode(LogEnd(job.status)))


def is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18
