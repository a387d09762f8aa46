"""What counts as an answer to a POST: also one whose body ends with the connection (RFC 9112, 6.3)."""

from __future__ import annotations

import asyncio

import pytest

from treering.adapters.egress import Egress
from treering.adapters.http_post import Answered, Poster

pytestmark = pytest.mark.anyio
TIMEOUT_SECONDS = 10.0


async def answered(said: bytes) -> Answered:
    """What a sink that says ``said`` and closes is taken to have answered."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        poster = Poster(f"http://127.0.0.1:{port}/hook", Egress(["127.0.0.1"]))
        try:
            return await poster.post(b"{}", {}, TIMEOUT_SECONDS)
        finally:
            poster.close()


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
async def test_an_answer_may_end_with_its_connection(head: bytes) -> None:
    assert await answered(head + b"taken") == Answered(200, body=b"taken")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntaken",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntaken\r\n",
        b"HTTP/1.1 200 OK\r\nServer: x",
    ],
)
async def test_an_answer_that_breaks_off_is_none(said: bytes) -> None:
    assert (await answered(said)).status == 0
