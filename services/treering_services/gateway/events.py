"""Watch the log: every event from a position on, as server-sent events or as JSON lines, then live."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from starlette.responses import Response, StreamingResponse

from treering.domain import check_watched, kind_named
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name
from treering.views.selection import TYPES_MAX, Selection
from treering_services.gateway.call import Call, Caller, reply
from treering_services.gateway.core import checked_address
from treering_services.gateway.subscriber import LINES, Start, Subscriber, SubscriberResponse
from treering_services.gateway.tail import EVENT_STREAM


class EventsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``since``: a position, whose events are not sent any more, or ``now``; "" is the beginning.
    ``type``: one or several, with commas; ``job.*`` is all that begin so. ``name`` needs ``kind``."""

    since: str = ""
    ws: str = ""
    kind: str = ""
    name: str = ""
    type: str = ""
    follow: bool | None = None  # on for server-sent events, off for JSON lines


async def stream_events(call: Call) -> Response:
    query = call.query(EventsQuery)
    server_sent = EVENT_STREAM in call.header(b"accept")
    selection = selection_of(entitled(call.caller, query), lines=not server_sent)
    if selection.workspace:
        await call.gateway.require_workspace(selection.workspace)
    owner = call.caller.actor if call.caller.policy == "subscriber" else ""
    subscriber = Subscriber(call.gateway.hub, selection, await start_of(call, query), owner)
    if server_sent if query.follow is None else query.follow:
        call.gateway.open_streams.check_room()
        return SubscriberResponse(subscriber, call.gateway.open_streams)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    media_type = EVENT_STREAM if server_sent else LINES
    return StreamingResponse(subscriber.stored(), headers=headers, media_type=media_type)


def entitled(caller: Caller, query: EventsQuery) -> EventsQuery:
    """A subscriber's own workspace stands in for none; ``Refused("auth.forbidden")`` for another."""
    if caller.policy != "subscriber":
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
    check_watched(types)
    if query.name and not kind:
        raise Refused("request.query", "name needs kind: a name alone does not say of what")
    key = checked_address(query.ws, "", query.name).key if query.name else ""
    return Selection(workspace, kind, key, types, lines)


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
