"""Watch an installation's events from Python, for as long as wanted, whatever happens to the connection.

    for event in Client().events(kind="job", type="job.completed", since="now"): ...
    async for event in AsyncClient().events(kind="model"): ...

A lost connection is made anew and goes on behind the last event that was given out: none is missed, none comes twice.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from treering.client import async_sse, sse
from treering.client.errors import ApiError
from treering.client.http import Client
from treering.client.urls import query
from treering.kernel.shared_limits import PAGE_MAX

Since = int | str | None
ATTRIBUTES = {
    "command_id": "commandid", "data_content_type": "datacontenttype", "recorded_time": "recordedtime",
    "epoch": "logepoch", "data_schema": "dataschema",
    # No attribute of an event has such a name: what a publisher calls so is one of its extensions.
    "place": "the place", "extensions": "the extensions",
}  # fmt: skip


class Event(Struct, frozen=True, rename=ATTRIBUTES):
    """A CloudEvent 1.0 with our attributes. ``place`` says where it is in the log: give it as ``since`` to go on
    behind it."""

    id: str
    source: str
    type: str
    position: int
    subject: str = ""
    time: datetime | None = None
    data: Any = None
    actor: str = ""
    command_id: str = ""
    cause: str = ""
    traceparent: str = ""
    data_content_type: str = ""
    recorded_time: datetime | None = None  # of a published event, whose ``time`` is what its publisher said
    published: bool = False  # by a publisher: whatever its type says, it is no event of treering's own
    via: str = ""  # the job that acted with the rights of ``actor``
    epoch: str = ""  # of the log it was stored in, "" for the first; every restore of a backup begins one
    data_schema: str = ""
    data_base64: str | None = None  # data that is no JSON and no text; ``data_bytes`` are its bytes
    extensions: dict[str, str | int | bool] = {}  # further attributes that its publisher gave it
    place: str = ""

    @property
    def data_bytes(self) -> bytes | None:
        """The bytes of data that came as such, None when it came as JSON or text."""
        return None if self.data_base64 is None else b64decode(self.data_base64)


NAMES = frozenset({"specversion", *Event.__struct_encode_fields__})
decoder = msgspec.json.Decoder(Event)
members: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Watch(Struct, frozen=True):
    """What to watch; see ``Client.events``."""

    path: str
    last_id: str
    follow: bool


def watch(
    workspace: str, kind: str, name: str, type: str | list[str] | tuple[str, ...], since: Since, follow: bool
) -> Watch:
    """``since``: None is the beginning, "now", a position (its events are not given out), or an event's ``place``."""
    types = type if isinstance(type, str) else ",".join(type)
    text = "" if since is None else str(since)
    place = text if "." in text or ":" in text else ""
    fields: dict[str, object] = {"ws": workspace, "kind": kind, "name": name, "type": types, "follow": follow}
    fields["limit"] = None if follow else PAGE_MAX
    fields["since"] = "" if place else text
    return Watch(f"/v1/events{query(fields)}", place, follow)


def events(client: Client, wanted: Watch) -> Iterator[Event]:
    """Raises ``ApiError`` when the request is refused (``OtherLog`` after a restore), ``Unreachable`` when nobody has
    answered for a while."""
    for message in sse.messages(client, wanted.path, ends=not wanted.follow, last_id=wanted.last_id):
        yield event_of(message)


async def async_events(client: Client, wanted: Watch) -> AsyncIterator[Event]:
    """The same, in an event loop."""
    async for message in async_sse.messages(client, wanted.path, ends=not wanted.follow, last_id=wanted.last_id):
        yield event_of(message)


def event_of(message: sse.Message) -> Event:
    try:
        event = read_event(message.data.encode())
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ApiError("reply.malformed", f"an event is not as this version knows it: {error}", 200) from None
    return msgspec.structs.replace(event, place=message.id)


def read_event(body: bytes) -> Event:
    """The event in CloudEvents' JSON format, without its place."""
    event = decoder.decode(body)
    if not event.published:
        return event
    more = {name: msgspec.json.decode(value) for name, value in members.decode(body).items() if name not in NAMES}
    return msgspec.structs.replace(event, extensions=more) if more else event
