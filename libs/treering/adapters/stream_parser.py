"""Reads messages of streams from the socket's bytes, several at a time; all else is left to the client's own parser.

The client's parser moves its whole buffer for each message and calls a coroutine: half of what following a log takes.
"""

from __future__ import annotations

from typing import Protocol

from nats.aio.client import Client
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

DELIVERED = b"$JS.ACK."
MESSAGES = frozenset({b"MSG", b"HMSG"})
LINE_BYTES_MAX = 4096
REST_BYTES_MAX = 64 * 1024  # what has come of a longer message would be copied too often


class StreamSink(Protocol):
    """Takes what a stream delivers on one subscription, in order."""

    def deliver(self, subject: bytes, reply: bytes, data: bytes) -> None: ...


class StreamParser(Parser):
    """``sinks`` are by the number of their subscription, as it is written on the wire."""

    def __init__(self, client: Client) -> None:
        self.sinks: dict[bytes, StreamSink] = {}
        self.rest = b""  # the beginning of a message
        self.resets = 0
        super().__init__(client)

    def reset(self) -> None:
        super().reset()
        self.rest = b""
        self.resets += 1

    async def parse(self, data: bytes = b"") -> None:
        if self.state != AWAITING_CONTROL_LINE or self.buf:
            await super().parse(data)  # the rest of a message too long for us
            return
        data, self.rest = self.rest + data if self.rest else data, b""
        at, resets = 0, self.resets
        while at < len(data) and resets == self.resets:
            line_end = data.find(b"\r\n", at, at + LINE_BYTES_MAX)
            words = data[at:line_end].split(b" ") if line_end > 0 else []
            end = line_end + 2 + (int(words[-1]) + 2 if words and words[0] in MESSAGES else 0)
            if not words or end > len(data):
                await self.keep(data[at:], end - at)
                return
            sink = self.sinks.get(words[2]) if len(words) == 6 else None
            if sink is not None and words[3].startswith(DELIVERED):
                sink.deliver(words[1], words[3], data[line_end + 2 + int(words[4]) : end - 2])
            else:
                await super().parse(data[at:end])
            at = end

    async def keep(self, rest: bytes, needed: int) -> None:
        """The beginning of a message: for the next time, or for the client's parser, which copies long ones less."""
        if len(rest) < LINE_BYTES_MAX or needed <= REST_BYTES_MAX:
            self.rest = rest
        else:
            await super().parse(rest)
