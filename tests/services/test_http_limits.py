"""A client that is slow, idle or greedy costs itself its connections, and nobody else."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing

import msgspec
import pytest
from tests.services.gateway_example import TIMEOUT_SECONDS, WS, Api, running_gateway

from treering.client import Client
from treering.client.sse import messages
from treering.kernel.blobs import digest_of
from treering.testing.nats import RunningNats
from treering_services.gateway.http.bodies import COMING_EACH_MAX, LARGE_BYTES
from treering_services.gateway.http.limits import Limits, limits_for
from treering_services.gateway.http.protocol import LimitedProtocol

pytestmark = pytest.mark.anyio
SOON = 0.2  # a limit that a test waits for
QUICK = Limits(
    connections=16, requests_each=12, streams=4, streams_each=3, uploads=3, uploads_each=2, header_seconds=SOON,
    idle_seconds=SOON, linger_seconds=SOON, body_window_seconds=SOON, body_window_bytes=1000,
)  # fmt: skip
PATIENT = msgspec.structs.replace(
    QUICK, header_seconds=600.0, idle_seconds=600.0, linger_seconds=600.0, body_window_seconds=600.0
)
CONTINUE = b"\r\nexpect: 100-continue\r\n\r\n"
DIGEST = digest_of(b"x" * 2000)

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(api: Api, sent: bytes = b"") -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    with closing(writer):
        writer.write(sent)
        yield reader, writer


def head(api: Api, method: str, path: str, length: int = 0, token: str | None = None) -> bytes:
    fields = {"host": f"127.0.0.1:{api.port}", "content-length": str(length), **api.authorization(token)}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """Everything until the server hangs up."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def status_of(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        return int((await reader.readuntil(b"\r\n\r\n")).split()[1])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not condition():  # noqa: ASYNC110 - nobody signals what the kernel and the disk show
            await asyncio.sleep(0.01)


@pytest.fixture
async def quick(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server, limits=QUICK) as running:
        yield running


@pytest.fixture
async def patient(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server, limits=PATIENT) as running:
        yield running


async def test_half_a_header_is_answered_408_and_closed(quick: Api) -> None:
    async with connected(quick, b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1") as (reader, _):
        answer = await all_of(reader)
    assert answer.startswith(b"HTTP/1.1 408 ") and b'"code":"request.timeout"' in answer


async def test_half_a_header_of_a_second_request_is_answered_408_too(quick: Api) -> None:
    async with connected(quick, head(quick, "GET", "/healthz") + b"GET /hea") as (reader, _):
        first, _, second = (await all_of(reader)).partition(b"HTTP/1.1 408 ")
    assert first.startswith(b"HTTP/1.1 200 ") and second


@pytest.mark.parametrize("sent", [b"", b"\r\n" * 40])
async def test_a_connection_that_asks_nothing_is_closed(quick: Api, sent: bytes) -> None:
    async with connected(quick, sent) as (reader, _):
        assert await all_of(reader) == b""


async def test_a_connection_kept_open_after_its_answer_is_closed_even_when_it_sends_blank_lines(quick: Api) -> None:
    async with connected(quick, head(quick, "GET", "/healthz")) as (reader, writer):
        assert await status_of(reader) == 200
        writer.write(b"\r\n")  # uvicorn's own timer ends here
        await all_of(reader)


async def test_a_header_without_end_is_refused(quick: Api) -> None:
    async with connected(quick, b"GET / HTTP/1.1\r\n") as (reader, writer):
        writer.write(b"x: " + b"y" * (QUICK.header_bytes_max + 1))
        answer = await all_of(reader)
    assert answer.startswith(b"HTTP/1.1 431 ") and f"larger than {QUICK.header_bytes_max} bytes".encode() in answer


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("PUT", f"/v1/blobs/{DIGEST}", b'"code":"request.timeout"'),
        ("POST", f"{WS}/jobs", b'"code":"request.timeout"'),
        ("POST", "/api/2.0/mlflow/runs/create", b'"error_code":"TEMPORARILY_UNAVAILABLE"'),
    ],
)
async def test_a_body_that_stops_coming_is_answered_408_and_leaves_nothing(
    quick: Api, method: str, path: str, said: bytes
) -> None:
    async with connected(quick, head(quick, method, path, 2000) + b"x") as (reader, _):
        answer = await all_of(reader)
    assert answer.startswith(b"HTTP/1.1 408 ") and said in answer
    await until(lambda: not any((quick.home.blobs / "incoming").iterdir()))


async def test_a_body_that_nobody_wants_is_not_waited_for(quick: Api) -> None:
    async with connected(quick, head(quick, "PUT", f"/v1/blobs/{DIGEST}", 2000, token="wrong") + b"x") as (reader, _):
        assert (await all_of(reader)).startswith(b"HTTP/1.1 401 ")


async def test_idle_connections_make_room_and_a_client_that_works_goes_on(patient: Api) -> None:
    with patient.connection() as working:
        idle = [await asyncio.open_connection("127.0.0.1", patient.port) for _ in range(3 * PATIENT.connections)]
        for path in ("/v1/status", "/healthz") * 3:
            await asyncio.to_thread(working.request, "GET", path, headers=patient.authorization(None))
            answer = await asyncio.to_thread(working.getresponse)
            answer.read()
            assert answer.status == 200
        assert (await patient.ask("GET", "/v1/status")).status == 200  # as does one that comes now
        await until(lambda: sum(not reader.at_eof() for reader, _ in idle) <= PATIENT.connections)
        for _, writer in idle:
            writer.close()


async def test_the_connection_with_a_token_outlives_those_without(patient: Api) -> None:
    async with connected(patient, head(patient, "GET", "/v1/status")) as (reader, writer):
        assert await status_of(reader) == 200
        for _ in range(3 * PATIENT.connections):
            async with connected(patient, b"GET /healthz HTTP/1.1\r\n"):
                pass
        idle = [await asyncio.open_connection("127.0.0.1", patient.port) for _ in range(2 * PATIENT.connections)]
        writer.write(head(patient, "GET", "/v1/status"))
        assert b"HTTP/1.1 200 OK" in await reader.readuntil(b"\r\n\r\n")
        for _, other in idle:
            other.close()


async def test_when_every_connection_is_at_work_the_next_is_told_to_come_again(nats_server: RunningNats) -> None:
    few = msgspec.structs.replace(PATIENT, connections=2, streams=9, streams_each=9)
    async with running_gateway(nats_server, limits=few) as api, watching(api, 2), connected(api) as (reader, _):
        answer = await all_of(reader)
    assert answer.startswith(b"HTTP/1.1 503 ") and b"retry-after: 1" in answer and b'"service.busy"' in answer


@asynccontextmanager
async def watching(api: Api, count: int) -> AsyncIterator[None]:
    """So many open streams of the owner."""
    asked = head(api, "GET", "/v1/events?follow=true")
    streams = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(count)]
    for reader, writer in streams:
        writer.write(asked)
        assert await status_of(reader) == 200
    try:
        yield
    finally:
        for _, writer in streams:
            writer.close()


async def test_one_caller_has_no_more_streams_than_its_share(patient: Api) -> None:
    async with watching(patient, PATIENT.streams_each):
        refused = await patient.ask("GET", "/v1/events?follow=true")
        assert (refused.status, refused.code) == (429, "caller.busy") and refused.headers["retry-after"] == "1"
        assert (await patient.ask("GET", "/v1/status")).status == 200
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while (await patient.ask("GET", "/v1/status")).json["streams"]:
            pass
    async with watching(patient, PATIENT.streams_each):
        pass


async def test_our_client_waits_until_its_caller_may_have_another_stream(patient: Api) -> None:
    client = Client(f"http://127.0.0.1:{patient.port}", patient.tokens.owner)
    async with watching(patient, PATIENT.streams_each):
        message = asyncio.create_task(asyncio.to_thread(next, messages(client, "/v1/events")))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while b'status="429"' not in (await patient.ask("GET", "/metrics")).body:
                pass
    async with asyncio.timeout(TIMEOUT_SECONDS):
        assert (await message).id


async def test_a_large_body_whose_caller_has_some_under_way_is_not_read_before_its_turn(
    nats_server: RunningNats,
) -> None:
    roomy = msgspec.structs.replace(PATIENT, uploads=2 * COMING_EACH_MAX, uploads_each=2 * COMING_EACH_MAX)
    async with running_gateway(nats_server, limits=roomy) as api, AsyncExitStack() as stack:
        asked = head(api, "POST", f"{WS}/experiments/e/create", LARGE_BYTES + 1).replace(b"\r\n\r\n", CONTINUE)
        begun = [await stack.enter_async_context(connected(api, asked)) for _ in range(COMING_EACH_MAX)]
        assert [await status_of(reader) for reader, _ in begun] == [100] * COMING_EACH_MAX
        reader, _ = await stack.enter_async_context(connected(api, asked))
        await until(lambda: sum(one.flow.read_paused for one in connections()) == 1)
        begun[0][1].close()
        assert await status_of(reader) == 100


def connections() -> list[LimitedProtocol]:
    return [one for one in gc.get_objects() if isinstance(one, LimitedProtocol)]


async def test_one_caller_has_no_more_uploads_than_its_share(patient: Api) -> None:
    begun = head(patient, "PUT", f"/v1/blobs/{DIGEST}", 2000) + b"x"
    incoming = patient.home.blobs / "incoming"
    async with connected(patient, begun), connected(patient, begun):
        await until(lambda: len(list(incoming.iterdir())) == PATIENT.uploads_each)
        async with connected(patient, begun) as (reader, _):
            assert await status_of(reader) == 429
    await until(lambda: not any(incoming.iterdir()))
    assert (await patient.ask("PUT", f"/v1/blobs/{DIGEST}", b"x" * 2000)).status == 201


@pytest.mark.parametrize("descriptors", [64, 1024, 8192, 20_000, 1 << 20])
def test_all_connections_fit_into_the_descriptors_with_room_to_spare(descriptors: int) -> None:
    limits = limits_for(descriptors)
    assert limits.connections + limits.uploads <= descriptors  # an upload has a file too
    assert limits.streams + limits.uploads < limits.connections  # what lasts leaves room for what is short
    assert 0 < limits.streams_each < limits.streams and 0 < limits.uploads_each < limits.uploads
