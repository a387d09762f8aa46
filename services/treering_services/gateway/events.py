"""Watch the log: every event from a position on, as server-sent events or as JSON lines, then live; or page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct
from starlette.responses import Response, StreamingResponse

from treering.domain import kind_named
from treering.domain.watched import check_place, check_watched
from treering.domain.webhook_messages import TYPES_MAX
from treering.kernel.bounds import Line, Name
from treering.kernel.epochs import read_id
from treering.kernel.pages import NEXT_HEADER
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name
from treering.views.selection import Selection
from treering_services.gateway.call import Call, Caller, reply
from treering_services.gateway.core import checked_address
from treering_services.gateway.event_pages import EventPage, event_page
from treering_services.gateway.resources import Limit
from treering_services.gateway.subscriber import LINES, Start, Subscriber, SubscriberResponse, start_at
from treering_services.gateway.tail import EVENT_STREAM

LIMIT_DEFAULT = 100


class EventsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``since``: an event's id, a position (``EPOCH:POSITION``; without an epoch, of the first one), whose events are
    not sent any more, or ``now``; "" is the beginning.
    ``type``: one or several, with commas, or patterns: ``job.*``, ``*.failed``. ``name`` needs ``kind``.

    What does not follow is a page. While there is more, the header ``treering-next`` is the ``since`` of the next one,
    also where a page has few events or none, because not many of those that were looked at are wanted."""

    since: Name = ""
    ws: Name = ""
    kind: Name = ""
    name: Name = ""
    type: Line = ""
    plain: bool = False  # server-sent events without a name, as a browser's onmessage wants them
    heartbeats: bool = False  # JSON lines say {"heartbeat":"EPOCH:POSITION"} where else they say an empty line
    ticket: Name = ""  # instead of a token; POST /v1/events/ticket
    follow: bool | None = None  # on for server-sent events, off for JSON lines
    limit: Limit | None = None  # of a page, when it does not follow; left out, 100


async def stream_events(call: Call) -> Response:
    query = call.query(EventsQuery)
    server_sent = EVENT_STREAM in call.header(b"accept")
    selection = selection_of(entitled(call.caller, query), lines=not server_sent)
    if selection.workspace:
        await call.gateway.require_workspace(selection.workspace)
    owner = call.caller.actor if call.caller.policy == "subscriber" else call.caller.key
    start = await start_of(call, query)
    if server_sent if query.follow is None else query.follow:
        if query.limit is not None:
            raise Refused("request.query", "limit is for a page, and this follows; leave it out, or say follow=false")
        call.gateway.open_streams.check_room(owner)
        subscriber = Subscriber(call.gateway.hub, selection, start, owner)
        return SubscriberResponse(subscriber, call.gateway.open_streams, heartbeats=query.heartbeats)
    return paged(await event_page(call.gateway.hub, selection, start, query.limit or LIMIT_DEFAULT), server_sent)


def paged(page: EventPage, server_sent: bool) -> Response:
    """In chunks, without a length said before: a reader of lines notices when such an answer breaks off."""
    headers = {"cache-control": "no-store", **({NEXT_HEADER: page.next} if page.next else {})}
    return StreamingResponse(in_order(page.events), headers=headers, media_type=EVENT_STREAM if server_sent else LINES)


async def in_order(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def entitled(caller: Caller, query: EventsQuery) -> EventsQuery:
    """A subscriber's or a job's own workspace stands in for none; ``Refused("auth.forbidden")`` for another."""
    if caller.policy not in ("subscriber", "job"):
        return query
    if query.ws not in ("", caller.workspace):
        raise Refused("auth.forbidden", f"this token is good for the events of workspace {caller.workspace!r} only")
    return msgspec.structs.replace(query, ws=caller.workspace)


async def asyncapi(call: Call) -> Response:
    return reply(call.gateway.asyncapi)


def selection_of(query: EventsQuery, *, lines: bool) -> Selection:
    """What is asked for; ``Refused`` for what makes no sense."""
    workspace = checked_name(query.ws, "ws") if query.ws else ""
    kind = kind_named(query.kind).kind if query.kind else ""
    types = tuple(sorted(set(query.type.split(",")))) if query.type else ()
    if len(types) > TYPES_MAX:
        raise Refused("request.query", f"type has {len(types)} types, at most {TYPES_MAX} are allowed")
    check_watched(types, kind)
    if query.name and not kind:
        raise Refused("request.query", "name needs kind: a name alone does not say of what")
    check_place(kind, workspace, query.name)
    key = checked_address(query.ws, "", query.name).key if query.name else ""
    return Selection(workspace, kind, key, types, lines, query.plain and not lines)


async def start_of(call: Call, query: EventsQuery) -> Start:
    """``Last-Event-ID`` (which a browser sends when it reconnects) goes before ``since``."""
    last = call.header(b"last-event-id")
    if last:
        if (place := read_id(last)) is None:
            raise Refused("request.last_event_id", "Last-Event-ID is not an id this server sent")
        return await start_at(call.gateway.hub, place, "Last-Event-ID")
    if query.since == "now":
        return Start(await call.gateway.log.head(), is_now=True)
    place = read_id(query.since or "0")
    if place is None:
        raise Refused("request.query", f"since is {query.since[:40]!r}; it must be a position, an event's id, or 'now'")
    return await start_at(call.gateway.hub, place)
