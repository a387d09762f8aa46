"""Requests that could be understood in two ways, or go on for ever, over a raw socket: each is refused as a problem
with a code, or understood as RFC 9112 says. One gateway has all of them, and works at the end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import closing

import msgspec
import pytest
from tests.services.gateway_example import TIMEOUT_SECONDS, Api, running_gateway
from tests.services.test_http_limits import PATIENT, all_of, head

from treering.kernel.blobs import digest_of
from treering.testing.nats import RunningNats
from treering_services.gateway.http.gathered import Gathered

pytestmark = pytest.mark.anyio
LIMITS = msgspec.structs.replace(PATIENT, unread_bytes_max=1024 * 1024)
GET, POST = "GET /healthz HTTP/1.1\r\nHost: {host}\r\n", "POST /v1/workspaces/w/jobs HTTP/1.1\r\nHost: {host}\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n"
HIDDEN = "GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
MALFORMED, TWICE, LARGE = "400 request.malformed", "400 request.header_twice", "431 request.header_too_large"
ENDLESS = "400 request.framing or 401 auth.required"  # as the application was quicker, or not
CODING = "501 request.transfer_encoding"

REFUSED = {
    "a length and a coding": (CHUNKED + "Content-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN, MALFORMED),
    "a coding and a length": (POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", MALFORMED),
    "two lengths": (POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", MALFORMED),
    "the same length twice": (POST + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", MALFORMED),
    "a list of lengths": (POST + "Content-Length: 5, 5\r\n\r\nhello", MALFORMED),
    "a length with a sign": (POST + "Content-Length: +5\r\n\r\nhello", MALFORMED),
    "a negative length": (POST + "Content-Length: -5\r\n\r\nhello", MALFORMED),
    "a length in hexadecimal": (POST + "Content-Length: 0x5\r\n\r\nhello", MALFORMED),
    "an empty length": (POST + "Content-Length:\r\n\r\nhello", MALFORMED),
    "a length that overflows": (POST + f"Content-Length: {2**64 + 5}\r\n\r\nhello", MALFORMED),
    "gzip, chunked": (POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", CODING),
    "chunked, gzip": (POST + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", MALFORMED),
    "identity": (POST + "Transfer-Encoding: identity\r\n\r\nhello", CODING),
    "chunked twice": (CHUNKED + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", MALFORMED),
    "chunked with a quote": (POST + 'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', CODING),
    "xchunked": (POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", CODING),
    "chunked in HTTP/1.0": (CHUNKED.replace("1.1", "1.0") + "\r\n0\r\n\r\n", MALFORMED),
    "a bare LF after the request line": ("GET /healthz HTTP/1.1\nHost: {host}\r\n\r\n", MALFORMED),
    "a bare LF after a field": ("GET /healthz HTTP/1.1\r\nHost: {host}\n\r\n", MALFORMED),
    "a bare LF in a value": (GET + "X: a\nTransfer-Encoding: chunked\r\n\r\n", MALFORMED),
    "a bare LF after the header": (GET + "\n", MALFORMED),
    "a bare CR in a value": (GET + "X: a\rY: b\r\n\r\n", MALFORMED),
    "a space before the colon": (GET + "X : a\r\n\r\n", MALFORMED),
    "a tab before the colon": (POST + "Content-Length\t: 5\r\n\r\nhello", MALFORMED),
    "a space before the first field": ("GET /healthz HTTP/1.1\r\n Host: {host}\r\n\r\n", MALFORMED),
    "a folded field": (GET + "X: a\r\n b\r\n\r\n", MALFORMED),
    "a folded coding": (POST + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", MALFORMED),
    "a field without a colon": (GET + "X\r\n\r\n", MALFORMED),
    "a field without a name": (GET + ": a\r\n\r\n", MALFORMED),
    "a NUL in a value": (GET + "X: a\0b\r\n\r\n", MALFORMED),
    "a NUL in a name": (GET + "X\0Y: a\r\n\r\n", MALFORMED),
    "a NUL in the target": ("GET /a\0b HTTP/1.1\r\nHost: {host}\r\n\r\n", MALFORMED),
    "a space in the target": ("GET /a b HTTP/1.1\r\nHost: {host}\r\n\r\n", MALFORMED),
    "no ASCII in the target": ("GET /\xe9 HTTP/1.1\r\nHost: {host}\r\n\r\n", MALFORMED),
    "a fragment": ("GET /healthz#x HTTP/1.1\r\nHost: {host}\r\n\r\n", MALFORMED),
    "another host in the target": ("GET http://evil.example/healthz HTTP/1.1\r\nHost: {host}\r\n\r\n", MALFORMED),
    "a user in the target": ("GET http://a@{host}/healthz HTTP/1.1\r\nHost: {host}\r\n\r\n", MALFORMED),
    "no http URL": ("GET ftp://{host}/healthz HTTP/1.1\r\nHost: {host}\r\n\r\n", MALFORMED),
    "a URL without a path": ("GET http://{host} HTTP/1.1\r\nHost: {host}\r\n\r\n", MALFORMED),
    "an asterisk": ("OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n", MALFORMED),
    "CONNECT": ("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n", MALFORMED),
    "no host": ("GET /healthz HTTP/1.1\r\n\r\n", MALFORMED),
    "two hosts": (GET + "Host: {host}\r\n\r\n", TWICE),
    "two tokens": (GET + "Authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n", TWICE),
    "two content types": (POST + "Content-Type: text/plain\r\nContent-Type: application/json\r\n\r\n", TWICE),
    "two keys": (POST + "Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", TWICE),
    "two ids of an event": (POST + "ce-id: a\r\nce-id: b\r\n\r\n", TWICE),
    "a chunk size with a sign": (CHUNKED + "\r\n+5\r\nhello\r\n0\r\n\r\n", MALFORMED),
    "a negative chunk size": (CHUNKED + "\r\n-5\r\nhello\r\n0\r\n\r\n", MALFORMED),
    "a chunk size with 0x": (CHUNKED + "\r\n0x5\r\nhello\r\n0\r\n\r\n", MALFORMED),
    "a chunk size with a space": (CHUNKED + "\r\n5 \r\nhello\r\n0\r\n\r\n", MALFORMED),
    "a chunk size that overflows": (CHUNKED + "\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", MALFORMED),
    "an empty chunk size": (CHUNKED + "\r\n\r\nhello\r\n0\r\n\r\n", MALFORMED),
    "a chunk longer than its size": (CHUNKED + "\r\n2\r\nhello\r\n0\r\n\r\n", MALFORMED),
    "a bare LF after a chunk size": (CHUNKED + "\r\n5\nhello\r\n0\r\n\r\n", MALFORMED),
    "a bare LF in a chunk extension": (CHUNKED + "\r\n5;a\nhello\r\n0\r\n\r\n", MALFORMED),
    "HTTP/0.9": ("GET /healthz\r\n\r\n", MALFORMED),
    "HTTP/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", MALFORMED),
    "HTTP/1.2": ("GET /healthz HTTP/1.2\r\nHost: {host}\r\n\r\n", MALFORMED),
    "TLS": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", MALFORMED),
    "a method that is none": ("NONE /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n", MALFORMED),
    "an upgrade with a body": (
        POST + "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello",
        "400 request.upgrade",
    ),
    "a long target": (f"GET /?{'x' * LIMITS.target_bytes_max} HTTP/1.1\r\n", "414 request.target_too_long"),
    "a header one byte too large": (GET + f"X: {'x' * LIMITS.header_bytes_max}\r\n\r\n", LARGE),
    "a header of 190 KB": (GET + f"X: {'x' * 1000}\r\n" * 190 + "\r\n", LARGE),
    "a header of spaces": (GET + "X:" + " " * 600_000 + "x\r\n\r\n", LARGE),
    "many fields": (GET + "x:y\r\n" * LIMITS.fields_max + "\r\n", LARGE),
    "many fields of a trailer": (CHUNKED + "\r\n0\r\n" + "x:y\r\n" * LIMITS.fields_max + "\r\n", LARGE),
    "a long trailer": (CHUNKED + f"\r\n0\r\nx:{'y' * LIMITS.header_bytes_max}\r\n\r\n", LARGE),
    "a trailer without end": (CHUNKED + "\r\n0\r\nx:" + "y" * 600_000, ENDLESS),
    "a chunk extension without end": (CHUNKED + "\r\n5;" + "x" * 600_000, ENDLESS),
    "a chunk size without end": (CHUNKED + "\r\n" + "0" * 600_000, ENDLESS),
}  # fmt: skip

TAKEN = {
    "a plain request": (GET + "\r\n", [200]),
    "two after each other": ((GET + "\r\n") * 2, [200, 200]),
    "blank lines before it": ("\r\n\r\n" + GET + "\r\n", [200]),
    "an absolute target": ("GET http://{host}/healthz HTTP/1.1\r\nHost: {host}\r\n\r\n", [200]),
    "chunks with an extension and a trailer": (
        CHUNKED + "\r\n2;a=b\r\n{{}}\r\n0\r\nX: y\r\n\r\n" + GET + "\r\n", [401, 200],
    ),
    "two Accept fields": (GET + "Accept: a/b\r\nAccept: c/d\r\n\r\n", [200]),
    "an upgrade, and what follows is no request": (
        GET + "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n" + HIDDEN, [200],
    ),
    "a request after one that closes": (GET + "Connection: close\r\n\r\n" + HIDDEN, [200]),
    "a good one before a malformed one": (GET + "\r\n" + GET + "X : y\r\n\r\n", [200, 400]),
    "a good one before one with a malformed body": (GET + "\r\n" + CHUNKED + "\r\nz\r\n", [200, 400]),
}  # fmt: skip


@pytest.fixture(scope="module")
async def api(shared_nats: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(shared_nats, limits=LIMITS) as running:
        yield running


async def answer_to(api: Api, request: str, *, ends: bool = True) -> bytes:
    """All that comes back. ``ends``: the client sends nothing more, and says so."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    with closing(writer):
        writer.write(request.format(host=f"127.0.0.1:{api.port}").encode("latin-1"))
        if ends:
            writer.write(head(api, "GET", "/healthz").replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        return await all_of(reader)


def said(answer: bytes) -> str:
    """The status and the code of the only answer."""
    header, _, body = answer.partition(b"\r\n\r\n")
    statuses = statuses_of(answer)
    if len(statuses) != 1 or b"content-type: application/problem+json" not in header:
        return answer.decode()
    return f"{statuses[0]} {msgspec.json.decode(body)['code']}"


def statuses_of(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


async def test_what_could_be_understood_in_two_ways_or_has_no_end_is_refused_with_a_code(api: Api) -> None:
    found = {name: said(await answer_to(api, request, ends=False)) for name, (request, _) in REFUSED.items()}
    assert {name: code for name, code in found.items() if code not in REFUSED[name][1].split(" or ")} == {}
    assert (await api.ask("GET", "/v1/status")).status == 200


async def test_a_long_upload_in_small_chunks_is_taken(api: Api) -> None:
    data = b"0123456789" * 100_000
    length, header = f"content-length: {0}", head(api, "PUT", f"/v1/blobs/{digest_of(data)}").decode()
    chunks = "a\r\n0123456789\r\n" * 100_000 + "0\r\n\r\n"
    answer = await answer_to(api, header.replace(length, "transfer-encoding: chunked") + chunks)
    assert statuses_of(answer) == [201, 200]


def test_a_body_that_comes_in_tiny_parts_is_kept_in_few_objects() -> None:
    body = Gathered()
    for part in [b"ab"] * 10_000 + [b"c" * 100_000, b"d"]:
        body += part
    assert bytes(body) == b"ab" * 10_000 + b"c" * 100_000 + b"d" and len(body.parts) == 3


async def test_what_can_be_understood_in_one_way_is_answered_once_and_in_order(api: Api) -> None:
    found = {name: statuses_of(await answer_to(api, request)) for name, (request, _) in TAKEN.items()}
    closes = ("closes", "upgrade", "malformed")
    assert found == {
        name: statuses if any(word in name for word in closes) else [*statuses, 200]
        for name, (_, statuses) in TAKEN.items()
    }


async def test_more_requests_than_may_wait_for_an_answer_are_not_kept(api: Api) -> None:
    answer = await answer_to(api, (GET + "\r\n") * 1000, ends=False)
    assert set(statuses_of(answer)) == {200, 400} and b"request.pipelined" in answer
    assert statuses_of(answer)[-1] == 400


@pytest.mark.parametrize("framing", ["Content-Length: 100000000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"])
async def test_a_body_without_end_that_nobody_reads_is_closed_after_so_many_bytes(api: Api, framing: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    block = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with closing(writer), pytest.raises(ConnectionError):
        writer.write((POST + framing).format(host=f"127.0.0.1:{api.port}").encode())
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 401 ")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                writer.write(block)
                await writer.drain()
