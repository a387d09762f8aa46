"""The Python client: watching that goes on by itself, publishing that loses nothing."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from tests.services.gateway_example import WS, Api, running_gateway

from treering.client import AsyncClient, Client
from treering.client.errors import ApiError, OtherLog, Unreachable
from treering.client.events import Event
from treering.client.publisher import NotStored
from treering.client.sse import Parser
from treering.kernel.refusal import Refused
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
WAIT_SECONDS = 60.0
# A publisher that is killed: it says each event's id when the event is safe.
PUBLISHES = """
import sys
from pathlib import Path
from treering.client import Client
publisher = Client("http://127.0.0.1:9").publisher("w", source="/outbox", outbox=Path(sys.argv[1]))
for number in range(10_000):
    print(publisher.publish("outbox.filled", {"number": number}), flush=True)
"""


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


def url(api: Api) -> str:
    return f"http://127.0.0.1:{api.port}"


async def experiments(api: Api, *numbers: int) -> None:
    for number in numbers:
        await api.ask("POST", f"{WS}/experiments/e{number}/create")


async def first(client: AsyncClient, count: int, since: int | str | None = None) -> list[Event]:
    found: list[Event] = []
    async with asyncio.timeout(WAIT_SECONDS):
        async for event in client.events(kind="experiment", workspace="w", since=since):
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_events_come_in_a_loop_that_may_be_left_and_taken_up_again(api: Api) -> None:
    await experiments(api, 1, 2)
    async with AsyncClient(url(api), api.tokens.owner) as client:
        seen = await first(client, 1)
        watching = asyncio.create_task(first(client, 3, since=seen[-1].place))
        await experiments(api, 3, 4)
        seen += await watching
    assert [event.subject for event in seen] == [f"experiment/e{number}" for number in (1, 2, 3, 4)]
    assert seen[0].type == "experiment.created" and seen[0].actor.startswith("u_") and seen[0].command_id


@pytest.mark.parametrize("index", ["", ".0"])
async def test_a_client_that_goes_on_behind_the_end_of_the_log_is_told_where_it_ends(api: Api, index: str) -> None:
    head = await api.reader.projector.log.head()
    async with AsyncClient(url(api), api.tokens.owner) as client:
        with pytest.raises(OtherLog, match=f"ends at {head};") as refused:
            await first(client, 1, since=f"{head + 5}{index}")
    assert (refused.value.status, refused.value.code) == (410, "position.other_log")
    assert (refused.value.epoch, refused.value.head, refused.value.common) == ("1", head, head)


async def test_the_synchronous_twin_gives_the_same(api: Api) -> None:
    await experiments(api, 1, 2, 3)
    async with AsyncClient(url(api), api.tokens.owner) as client:
        awaited = [event async for event in client.events(follow=False)]
    with Client(url(api), api.tokens.owner) as twin:
        plain = await asyncio.to_thread(lambda: list(twin.events(follow=False)))
        some = await asyncio.to_thread(
            lambda: list(
                twin.events(kind="experiment", type=["experiment.created"], since=plain[-2].position, follow=False)
            )
        )
    assert awaited == plain and len(plain) >= 5
    assert some == plain[-1:]


async def test_it_reconnects_when_the_gateway_comes_back(nats_server: RunningNats) -> None:
    """On the port it had; what happened in between is not missed."""
    async with running_gateway(nats_server) as api:
        await experiments(api, 1)
        client, place = AsyncClient(url(api), api.tokens.owner), asyncio.Queue[Event]()

        async def watch() -> None:
            async for event in client.events(kind="experiment", workspace="w"):
                place.put_nowait(event)

        watching = asyncio.create_task(watch())
        async with asyncio.timeout(WAIT_SECONDS):
            assert (await place.get()).subject == "experiment/e1"
        port = api.port
    async with running_gateway(nats_server, port=port) as api:
        await experiments(api, 2)
        async with asyncio.timeout(WAIT_SECONDS):
            assert (await place.get()).subject == "experiment/e2"
    watching.cancel()


async def test_what_is_wrong_is_said_and_not_tried_again(api: Api) -> None:
    client = AsyncClient(url(api), "wrong")
    with pytest.raises(ApiError, match=r"auth\.required"):
        await anext(client.events())
    with pytest.raises(ApiError, match=r"kind\.unknown"):
        await anext(AsyncClient(url(api), api.tokens.owner).events(kind="dog"))


async def test_a_publisher_sends_batches_in_order_each_stored_once(api: Api) -> None:
    def publish() -> None:
        with Client(url(api), api.tokens.owner) as client, client.publisher("w", source="/test") as publisher:
            for number in range(300):
                publisher.publish("thing.counted", {"number": number}, id=str(number))
            publisher.publish("thing.counted", {"number": 0}, id="0")

    await asyncio.to_thread(publish)
    async with AsyncClient(url(api), api.tokens.owner) as client:
        found = [event.data["number"] async for event in client.events(type="thing.counted", follow=False)]
    assert found == list(range(300))


async def test_events_that_are_refused_are_told_of_and_hold_up_no_other(api: Api) -> None:
    refused: list[NotStored] = []

    def publish() -> None:
        with Client(url(api), api.tokens.owner) as client, client.publisher("w", source="/test") as publisher:
            publisher.on_refused = refused.append
            publisher.publish("a.b", subject="job/none")
            publisher.publish("a.b", id="good")
            with pytest.raises(Refused, match="no offset from UTC"):
                publisher.publish("a.b", id="when", time=datetime(2026, 1, 1))
        with pytest.raises(Refused, match=r"publisher\.closed"):
            publisher.publish("a.b")

    await asyncio.to_thread(publish)
    assert [one.code for one in refused] == ["event.subject_absent"] and refused[0].event["subject"] == "job/none"
    async with AsyncClient(url(api), api.tokens.owner) as client:
        assert [event.id async for event in client.events(type="a.b", follow=False)] == ["good"]


async def test_a_publisher_whose_server_is_away_says_what_was_not_stored() -> None:
    def publish() -> None:
        publisher = Client("http://127.0.0.1:9").publisher(source="/test")
        publisher.publish("a.b")
        assert not publisher.flush(0.1)
        publisher.close(0.1)

    with pytest.raises(Unreachable, match="1 events were not stored"):
        await asyncio.to_thread(publish)


async def test_an_outbox_survives_kill_9_and_drains_in_order(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "outbox.db"

    def fill_and_be_killed(count: int) -> list[str]:
        command = [sys.executable, "-c", PUBLISHES, str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = [process.stdout.readline().strip() for _ in range(count)]
            process.send_signal(signal.SIGKILL)
            return said + [line.strip() for line in process.stdout if line.endswith("\n")]

    safe = await asyncio.to_thread(fill_and_be_killed, 20)
    safe += await asyncio.to_thread(fill_and_be_killed, 30)

    def drain() -> None:
        client = Client(url(api), api.tokens.owner)
        with client, client.publisher("w", source="/outbox", outbox=file) as publisher:
            assert publisher.flush(WAIT_SECONDS) and not publisher.refused

    await asyncio.to_thread(drain)
    async with AsyncClient(url(api), api.tokens.owner) as client:
        stored = [event.id async for event in client.events(type="outbox.filled", follow=False)]
    # An event may have been safe just before its id was said; none that was said is missing.
    assert [id for id in stored if id in set(safe)] == safe and len(set(stored)) == len(stored) <= len(safe) + 2


def test_an_outbox_is_bounded_and_keeps_what_was_refused(tmp_path: Path) -> None:
    from treering.client.outbox import Outbox

    box = Outbox(tmp_path / "box.db", "w", waiting_max=2)
    box.put(b'{"id": "1"}')
    box.put(b'{"id": "2"}')
    with pytest.raises(Refused, match=r"outbox\.full"):
        box.put(b"{}")
    assert [json.loads(one.body)["id"] for one in box.first(10, 1000)] == ["1", "2"] and len(box.first(10, 5)) == 1
    box.remove([box.first(1, 100)[0].number], [NotStored({"id": "1"}, "event.invalid", "why")])
    assert len(Outbox(tmp_path / "box.db", "w")) == 1 and len(Outbox(tmp_path / "box.db", "other")) == 0
    assert box.one("SELECT code FROM refused") == "event.invalid"
    (tmp_path / "no.db").write_bytes(b"not a database, but long enough to be taken for one" * 30)
    with pytest.raises(Refused, match=r"outbox\.unusable"):
        Outbox(tmp_path / "no.db", "w")


def test_the_parser_reads_events_cut_anywhere() -> None:
    stream = b": hi\n\nevent: a\nid: 1.0\ndata: x\ndata: y\n\nid: 2.0\r\ndata:z\r\n\r\ndata\n\n"
    whole = list(Parser().feed(stream))
    assert [(one.event, one.id, one.data) for one in whole] == [
        ("a", "1.0", "x\ny"), ("message", "2.0", "z"), ("message", "2.0", ""),
    ]  # fmt: skip
    for cut in range(len(stream)):
        parser = Parser()
        assert [*parser.feed(stream[:cut]), *parser.feed(stream[cut:])] == whole
