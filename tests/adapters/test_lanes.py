"""Programs from outside ask in lanes: one that floods costs itself its lane, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from structlog.testing import capture_logs

from treering.adapters.bus import BUSY, Handler, ask
from treering.adapters.lanes import UNDER_WAY_EACH_MAX, LaneConnection, lanes, was_refused
from treering.adapters.nats_accounts import add_publisher, add_subscriber
from treering.adapters.nats_connect import reached
from treering.adapters.nats_credentials import read_credential
from treering.testing.nats import RunningNats
from treering_services.gateway.polls import UNDER_WAY_MAX
from treering_services.gateway.publish import PublishAnswer, PublishedOne

pytestmark = pytest.mark.anyio
ANSWER_SECONDS = 30.0
BIG = b"x" * 900_000
FLOOD = 120  # of BIG: more than the 64 MiB that nats-server keeps for a connection, and the sockets' buffers


@asynccontextmanager
async def opened(nats: RunningNats, handler: Handler) -> AsyncIterator[list[LaneConnection]]:
    known = read_credential(nats.home, "gateway")
    async with lanes(nats.urls, known, {"pub": handler, "sub": handler}) as found, asyncio.timeout(ANSWER_SECONDS * 2):
        yield found


async def flood(nats: RunningNats) -> None:
    """Asks again and again and reads nothing, as the publisher ``greedy``."""
    host, port = nats.url.removeprefix("nats://").split(":")
    known = read_credential(nats.home, "publisher-greedy")
    login = msgspec.json.encode({"user": known.user, "pass": known.password, "verbose": False})
    with suppress(OSError):  # when the server has had enough
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"CONNECT " + login + b"\r\n")
        for number in range(FLOOD):
            writer.write(b"PUB pub.greedy %s.%d %d\r\n%s\r\n" % (known.inbox.encode(), number, len(BIG), BIG))
            await writer.drain()
        writer.close()


async def test_a_flood_cuts_off_the_lane_of_whoever_floods_and_every_request_of_others_is_answered(
    nats_server: RunningNats,
) -> None:
    # Given a publisher that floods, whose requests take for ever,
    for name in ("greedy", "modest"):
        await add_publisher(nats_server.home, name)
    await add_subscriber(nats_server.home, "modest")
    stuck = asyncio.Event()

    async def handler(subject: str, body: bytes) -> bytes:
        if subject.endswith(".greedy"):
            await stuck.wait()
        return body

    gateway, publisher, subscriber = [
        await nats_server.connect(user) for user in ("gateway", "publisher-modest", "subscriber-modest")
    ]
    async with opened(nats_server, handler) as found:
        flooding = asyncio.create_task(flood(nats_server))
        # when the server has cut it off,
        while not any(lane.stats["reconnects"] for lane in found):
            # then others were answered all the while, and keep their lanes; so does the gateway itself.
            assert await ask(publisher, "pub.modest", b"1", timeout_seconds=ANSWER_SECONDS) == b"1"
            assert await ask(subscriber, "sub.modest", b"2", timeout_seconds=ANSWER_SECONDS) == b"2"
        await flooding
        assert await ask(publisher, "pub.modest", b"3", timeout_seconds=ANSWER_SECONDS) == b"3"
        stuck.set()
        assert [lane.stats["reconnects"] > 0 for lane in found].count(True) == 1
        assert gateway.stats["reconnects"] == 0


async def test_of_one_program_few_requests_are_under_way_and_all_are_answered_in_the_end(
    nats_server: RunningNats,
) -> None:
    await add_publisher(nats_server.home, "ci")
    under_way, most, go = 0, 0, asyncio.Event()

    async def handler(_: str, body: bytes) -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == UNDER_WAY_EACH_MAX:
            go.set()
        await go.wait()
        under_way -= 1
        return body

    client = await nats_server.connect("publisher-ci")
    async with opened(nats_server, handler):
        asked = [ask(client, "pub.ci", b"%d" % number, timeout_seconds=ANSWER_SECONDS) for number in range(500)]
        assert await asyncio.gather(*asked) == [b"%d" % number for number in range(500)]
    assert most == UNDER_WAY_EACH_MAX


async def test_requests_that_want_no_answer_are_one_line_in_the_log(nats_server: RunningNats) -> None:
    await add_publisher(nats_server.home, "silent")
    heard = asyncio.Queue[bytes]()

    async def handler(_: str, body: bytes) -> bytes:
        heard.put_nowait(body)
        return body

    client = await nats_server.connect("publisher-silent")
    async with opened(nats_server, handler):
        with capture_logs() as lines:
            for number in range(50):
                await client.publish("pub.silent", b"%d" % number)
            await reached(client)
            for _ in range(50):
                await heard.get()
            assert await ask(client, "pub.silent", b"?", timeout_seconds=ANSWER_SECONDS) == b"?"
    assert [line["event"] for line in lines] == ["nats.reply_refused"]


def test_a_subscriber_with_all_its_requests_waiting_is_still_answered() -> None:
    assert UNDER_WAY_MAX < UNDER_WAY_EACH_MAX


@pytest.mark.parametrize("refused", [0, 1, 500])
def test_an_answer_shows_whether_something_was_refused(refused: int) -> None:
    body = msgspec.json.encode(PublishAnswer([PublishedOne("id", 1)], refused))
    assert was_refused(body) == (refused > 0)
    assert was_refused(BUSY) and not was_refused(b'{"events":[],"next":"1","caught_up":true}')
