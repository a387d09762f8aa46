"""Reads server-sent events, and carries on after a lost connection from the last event that came."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import NamedTuple

from treering.client.errors import ApiError, Unreachable
from treering.client.http import LOST, Client, pause

LINE_BYTES_MAX = 4 * 1024 * 1024
SILENT_TRIES_MAX = 10
SILENCE_SECONDS = 60.0  # the server says something (a comment, at least) more often than this


class Message(NamedTuple):
    event: str
    id: str
    data: str


def messages(client: Client, path: str, *, ends: bool = False) -> Iterator[Message]:
    """Every event of the stream at ``path``. Unless it ``ends``, a stream that is over is opened again: the reader
    stops when it has enough.

    Raises ``ApiError`` when the stream is refused, ``Unreachable`` after ten tries in a row that brought nothing.
    """
    silent, last_id = 0, ""
    why = "the stream ended"
    while silent < SILENT_TRIES_MAX:
        if silent:
            pause(silent)
        silent += 1
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            with client.reply("GET", path, headers=headers, timeout_seconds=SILENCE_SECONDS) as reply:
                for message in decoded(reply):
                    silent = 0
                    last_id = message.id or last_id
                    yield message
                if ends:
                    return
        except ApiError as error:
            if error.status != 503:
                raise
            why = error.detail
        except LOST as error:
            why = str(error) or type(error).__name__
    raise Unreachable(f"the stream from {client.connections.url} broke {SILENT_TRIES_MAX} times: {why}")


def decoded(reply: http.client.HTTPResponse) -> Iterator[Message]:
    """The events of one reply, as the WHATWG specification of server-sent events reads them."""
    event, last_id, data = "", "", list[str]()
    while raw := reply.readline(LINE_BYTES_MAX + 1):
        if len(raw) > LINE_BYTES_MAX:
            raise http.client.HTTPException(f"an event has a line of more than {LINE_BYTES_MAX} bytes")
        line = raw.decode(errors="replace").rstrip("\r\n")
        if not line:
            if data:
                yield Message(event or "message", last_id, "\n".join(data))
            event, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            event = value
        elif field == "id":
            last_id = value
