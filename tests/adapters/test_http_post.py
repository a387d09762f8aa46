"""What counts as an answer to a POST: also one whose body ends with the connection (RFC 9112, 6.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from treering.adapters.egress import Egress
from treering.adapters.http_post import KEPT_BYTES_MAX, Answered, Exchange, Poster
from treering.kernel.listening import listening

pytestmark = pytest.mark.anyio
TIMEOUT_SECONDS = 10.0


async def answered(said: bytes, *, closes: bool = True, timeout_seconds: float = TIMEOUT_SECONDS) -> Answered:
    """What a sink that says ``said``, and then closes or is silent, is taken to have answered."""
    async with answering(said, closes=closes) as port:
        poster = Poster(f"http://127.0.0.1:{port}/hook", Egress(["127.0.0.1"]))
        try:
            return await poster.post(b"{}", {}, timeout_seconds)
        finally:
            poster.close()


@asynccontextmanager
async def answering(said: bytes, *, closes: bool = True) -> AsyncIterator[int]:
    """The port of a sink that answers one request with ``said``, and then closes or is silent."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(said)
        if not closes:
            with suppress(ConnectionError):
                await reader.read()
        writer.close()
        served.set()

    served = asyncio.Event()

    async with listening(serve) as port:
        try:
            yield port
        finally:
            await served.wait()


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


@pytest.mark.parametrize(("line", "status"), [(b"200 OK", 200), (b"503 Busy", 503)])
@pytest.mark.parametrize("length", [b"content-length: 99999999", b"transfer-encoding: chunked", b"x: y"])
async def test_an_answer_with_more_body_than_is_read_is_judged_by_its_status(
    line: bytes, status: int, length: bytes
) -> None:
    body = b"30d40\r\n" if length.startswith(b"transfer") else b""
    found = await answered(b"HTTP/1.1 " + line + b"\r\n" + length + b"\r\n\r\n" + body + b"x" * 200_000, closes=False)
    assert found == Answered(status, body=b"x" * KEPT_BYTES_MAX)


async def test_so_is_one_whose_body_does_not_end_in_time() -> None:
    begun = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ntaken"
    assert await answered(begun, closes=False, timeout_seconds=0.5) == Answered(200, body=b"taken")


async def test_an_answer_that_broke_off_is_none_also_when_the_time_is_up_in_the_same_moment() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n") as port:
        _, exchange = await asyncio.get_running_loop().create_connection(Exchange, "127.0.0.1", port)
        judged = await exchange.send(b"POST /hook HTTP/1.1\r\n\r\n{}")
        assert exchange.so_far("no answer in time") == judged == Answered(0, "the answer is not HTTP")


async def test_a_head_without_end_is_no_answer() -> None:
    found = await answered(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000, closes=False)
    assert found.status == 0 and "head of the answer" in found.why
