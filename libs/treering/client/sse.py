"""Reads server-sent events, and carries on after a lost connection from the last event that came."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import NamedTuple

from treering.client.errors import PASSING, ApiError, Unreachable
from treering.client.http import LOST, Client, pause
from treering.kernel.pages import NEXT_HEADER

LINE_BYTES_MAX = 32 * 1024 * 1024  # the largest commit, with what an event has around it
SILENT_TRIES_MAX = 10
SILENCE_SECONDS = 60.0  # the server says something (a comment, at least) more often than this


class Message(NamedTuple):
    event: str
    id: str
    data: str


class Parser:
    """The events in bytes as they come, as the WHATWG specification of server-sent events reads them."""

    def __init__(self, last_id: str = "") -> None:
        self.rest = b""
        self.event, self.id, self.data = "", last_id, list[str]()
        self.last_id = last_id  # of what has come to its end, a heartbeat too: from there on is asked for again

    def feed(self, data: bytes) -> Iterator[Message]:
        """ValueError for a line that has no end."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        if len(self.rest) > LINE_BYTES_MAX:
            raise ValueError(f"an event has a line of more than {LINE_BYTES_MAX} bytes")
        for raw in lines:
            message = self.line(raw.decode(errors="replace").rstrip("\r"))
            if message is not None:
                yield message

    def line(self, line: str) -> Message | None:
        if not line:
            self.last_id = self.id
            message = Message(self.event or "message", self.last_id, "\n".join(self.data)) if self.data else None
            self.event, self.data = "", []
            return message
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self.data.append(value)
        elif field == "event":
            self.event = value
        elif field == "id":
            self.id = value
        return None


def messages(client: Client, path: str, *, ends: bool = False, last_id: str = "") -> Iterator[Message]:
    """Every event of the stream at ``path``, behind the one with ``last_id``. Unless it ``ends``, a stream that is
    over is opened again: the reader stops when it has enough.

    One that ``ends`` comes in pages, and ends with the last.

    Raises ``ApiError`` when the stream is refused, ``Unreachable`` after ten tries in a row that brought nothing.
    """
    silent = 0
    why = "the stream ended"
    while silent < SILENT_TRIES_MAX:
        if silent:
            pause(silent)
        silent += 1
        parser = Parser(last_id)
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            with client.reply("GET", path, headers=headers, timeout_seconds=SILENCE_SECONDS) as reply:
                for message in decoded(reply, parser):
                    silent = 0
                    yield message
                if ends:
                    silent, last_id = 0, reply.getheader(NEXT_HEADER, "")
                    if not last_id:
                        return
                    continue
        except ApiError as error:
            if error.status not in PASSING:
                raise
            why = error.detail
        except (*LOST, ValueError) as error:
            why = str(error) or type(error).__name__
        last_id = parser.last_id
    raise Unreachable(f"the stream from {client.connections.url} broke {SILENT_TRIES_MAX} times: {why}")


def decoded(reply: http.client.HTTPResponse, parser: Parser) -> Iterator[Message]:
    """The events of one reply."""
    while raw := reply.readline(LINE_BYTES_MAX + 1):
        yield from parser.feed(raw)
