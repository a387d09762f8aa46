"""The bytes of a connection, cut anywhere: what is for a sink reaches it once and in order, the rest the client."""

from __future__ import annotations

from typing import Any, cast

import pytest
from nats.aio.client import Client

from treering.adapters import stream_parser
from treering.adapters.stream_parser import StreamParser

pytestmark = pytest.mark.anyio
ACK = b"$JS.ACK.EVT.f1.1.7.1.123.0"
HEADER = b"NATS/1.0\r\nNats-Msg-Id: a\r\n\r\n"


class Wire:
    """The client's side of a parser, which notes what reaches it."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        self.heard.append((f"message {sid}", data))

    async def _process_ping(self) -> None:
        self.heard.append(("ping", b""))

    def deliver(self, subject: bytes, reply: bytes, data: bytes) -> None:
        self.heard.append(("sink", data))


def with_header(sid: int, reply: bytes, body: bytes) -> bytes:
    sizes = b"%d %d" % (len(HEADER), len(HEADER) + len(body))
    return b"HMSG evt.w.job.j %d %s %s\r\n" % (sid, reply, sizes) + HEADER + body + b"\r\n"


STREAM = [
    (with_header(3, ACK, b"one"), ("sink", b"one")),
    (with_header(3, ACK, b"HMSG evt.w.job.j 3 \r\nPING\r\n"), ("sink", b"HMSG evt.w.job.j 3 \r\nPING\r\n")),
    (b"PING\r\n", ("ping", b"")),
    (with_header(4, ACK, b"another's"), ("message 4", b"another's")),
    (with_header(3, ACK, b""), ("sink", b"")),
    (with_header(3, b"_INBOX.flow", b"control"), ("message 3", b"control")),
    (b"MSG evt.w.job.j 3 5\r\nplain\r\n", ("message 3", b"plain")),
    (with_header(3, ACK, b"x" * 300), ("sink", b"x" * 300)),
    (with_header(3, ACK, b"last"), ("sink", b"last")),
]


@pytest.mark.parametrize("rest_bytes_max", [64 * 1024, 100])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 99, 128, 1000, 10_000])
async def test_messages_arrive_once_and_in_order_however_the_bytes_are_cut(
    monkeypatch: pytest.MonkeyPatch, size: int, rest_bytes_max: int
) -> None:
    monkeypatch.setattr(stream_parser, "REST_BYTES_MAX", rest_bytes_max)
    wire = Wire()
    parser = StreamParser(cast(Client, cast(Any, wire)))
    parser.sinks[b"3"] = wire
    data = b"".join(sent for sent, _ in STREAM) * 2
    for at in range(0, len(data), size):
        await parser.parse(data[at : at + size])
    expected = [(who, body) for _, (who, body) in STREAM] * 2
    assert [body for _, body in wire.heard] == [body for _, body in expected]
    if rest_bytes_max > 1000:
        assert wire.heard == expected  # else some took the client's own way


async def test_what_came_before_a_connection_was_lost_is_forgotten() -> None:
    wire = Wire()
    parser = StreamParser(cast(Client, cast(Any, wire)))
    parser.sinks[b"3"] = wire
    whole = with_header(3, ACK, b"one")
    await parser.parse(whole[:-5])
    parser.reset()
    await parser.parse(whole)
    assert wire.heard == [("sink", b"one")]
