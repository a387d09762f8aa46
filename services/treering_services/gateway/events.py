"""Watch the log: every event from a position on, as server-sent events or as JSON lines, then live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from msgspec import Struct
from starlette.responses import Response, StreamingResponse

from treering.domain import kind_named
from treering.kernel.clock import monotonic_seconds
from treering.kernel.log import Entry, encoder
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name, encode_token
from treering_services.gateway.call import Call
from treering_services.gateway.cloud_events import Numbered, cloud_events
from treering_services.gateway.core import Gateway, checked_address
from treering_services.gateway.tail import EVENT_STREAM, HEARTBEAT, HEARTBEAT_SECONDS, Tail, sse

LINES = "application/x-ndjson"
PAGE = 256


class EventsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``since``: a position, whose events are not sent any more, or ``now``; "" is the beginning.
    ``type``: one or several, with commas. ``name`` needs ``kind``."""

    since: str = ""
    ws: str = ""
    kind: str = ""
    name: str = ""
    type: str = ""
    follow: bool | None = None  # on for server-sent events, off for JSON lines


class Start(Struct, frozen=True):
    """Send what lies behind commit ``after``, without the first ``skip`` events of the next one."""

    after: int
    skip: int = 0

    def wants(self, event: Numbered) -> bool:
        return event.position > self.after + 1 or event.index >= self.skip


async def stream_events(call: Call) -> Response:
    query = call.query(EventsQuery)
    live = EVENT_STREAM in call.header(b"accept")
    subject = subject_of(query)
    start = await start_of(call, query)
    types = frozenset(query.type.split(",")) if query.type else frozenset[str]()

    def wanted(entry: Entry) -> list[Numbered]:
        return [one for one in cloud_events(entry) if start.wants(one) and (not types or one.event.type in types)]

    follow = live if query.follow is None else query.follow
    if follow:
        call.gateway.open_streams.check_room()
        entries = followed(call.gateway, subject, start.after)
    else:
        entries = stored(call.gateway, subject, start.after)
    write = as_server_sent if live else as_line
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    chunks = written(entries, wanted, write, HEARTBEAT if live else b"\n")
    return StreamingResponse(chunks, headers=headers, media_type=EVENT_STREAM if live else LINES)


def subject_of(query: EventsQuery) -> str:
    """The narrowest subject that has all that is asked for."""
    workspace = encode_token(checked_name(query.ws, "ws")) if query.ws else "*"
    kind = kind_named(query.kind).kind if query.kind else "*"
    if not query.name:
        return f"evt.{workspace}.{kind}.*"
    if not query.kind:
        raise Refused("request.query", "name needs kind: a name alone does not say of what")
    key = checked_address(query.ws, "", query.name).key
    return f"evt.{workspace}.{kind}.{encode_token(key)}"


async def start_of(call: Call, query: EventsQuery) -> Start:
    """``Last-Event-ID`` (which a browser sends when it reconnects) goes before ``since``."""
    last = call.header(b"last-event-id")
    if last:
        position, _, index = last.partition(".")
        if not (is_number(position) and is_number(index)) or int(position) < 1:
            raise Refused("request.last_event_id", "Last-Event-ID is not an id this server sent")
        return Start(int(position) - 1, int(index) + 1)
    if query.since == "now":
        return Start(await call.gateway.log.head())
    if query.since and not is_number(query.since):
        raise Refused("request.query", f"since is {query.since[:40]!r}; it must be a position, or 'now'")
    return Start(int(query.since or 0))


def is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


async def followed(gateway: Gateway, subject: str, after: int) -> AsyncIterator[list[Entry]]:
    tail = Tail(gateway.client, "EVT", after=after, subject=subject)
    async for batch in gateway.open_streams.read(tail, lambda: HEARTBEAT_SECONDS):
        yield [Entry(message.position, message.subject, message.data) for message in batch]


async def stored(gateway: Gateway, subject: str, after: int) -> AsyncIterator[list[Entry]]:
    """Up to what is the head of the log now; a page is read when the last one was taken."""
    head = await gateway.log.head()
    while after < head:
        page = await gateway.log.read_batch({"seq": after + 1, "batch": PAGE, "next_by_subj": subject})
        if not page:
            return
        after = page[-1].position
        yield [entry for entry in page if entry.position <= head]


async def written(
    entries: AsyncIterator[list[Entry]],
    wanted: Callable[[Entry], list[Numbered]],
    write: Callable[[Numbered], bytes],
    heartbeat: bytes,
) -> AsyncIterator[bytes]:
    """Bytes for the client; a sign of life when there was nothing for it for a while."""
    sent_at = monotonic_seconds()
    async for batch in entries:
        chunk = b"".join([write(one) for entry in batch for one in wanted(entry)])
        if not chunk and monotonic_seconds() - sent_at >= HEARTBEAT_SECONDS - 1:
            chunk = heartbeat
        if chunk:
            sent_at = monotonic_seconds()
            yield chunk


def as_server_sent(one: Numbered) -> bytes:
    return sse(one.event.type.replace("\n", " ").replace("\r", " "), one.id, encoder.encode(one.event))


def as_line(one: Numbered) -> bytes:
    return encoder.encode(one.event) + b"\n"
