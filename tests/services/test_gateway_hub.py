"""Many subscribers on one follower: nothing lost, nothing twice, nobody held up, from the log into live."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.services.gateway_example import SPEC, Api, running_gateway

from treering.domain.event import PublishEvent, event_key
from treering.domain.job_messages import CancelJob, SubmitJob
from treering.domain.job_spec import JobSpec
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering.views.selection import Selection
from treering_services.gateway import hub, service
from treering_services.gateway.subscriber import Start, Subscriber

pytestmark = pytest.mark.anyio
RESUMES = 1000
READ_SECONDS = 60.0


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


class Watcher:
    """A subscriber over a raw socket that can be killed at any byte, and comes back."""

    def __init__(self, api: Api, query: str) -> None:
        self.api = api
        self.query = query
        self.ids: list[str] = []

    async def read(self, events_max: int, chunk_bytes: int = 65536) -> None:
        """Come back where we were, take ``events_max`` events or a few more, and break the connection off."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.api.port)
        writer.write(self.head())
        wanted, rest = len(self.ids) + events_max, b""
        try:
            async with asyncio.timeout(READ_SECONDS):
                while len(self.ids) < wanted:
                    data = await reader.read(chunk_bytes)
                    assert data, "the server ended the stream"
                    rest = self.take(rest + data)
        finally:
            writer.transport.abort()

    def head(self) -> bytes:
        last = f"Last-Event-ID: {self.ids[-1]}\r\n" if self.ids else ""
        return (
            f"GET /v1/events?{self.query} HTTP/1.1\r\nHost: localhost:{self.api.port}\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {self.api.tokens.owner}\r\n{last}\r\n"
        ).encode()

    def take(self, data: bytes) -> bytes:
        """Note the ids of the whole events in ``data``; what is left over."""
        *events, rest = data.split(b"\n\n")
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"id: "):
                    self.ids.append(line[4:].decode())
        return rest


async def publish(api: Api, first: int, count: int, data: str = "") -> None:
    """``count`` commits: events, and now and then a job canceled before it ran, whose commit has two events."""
    for number in range(first, first + count):
        if number % 7 == 0:
            job = Address("w", "job", f"j{number}")
            await api.send_as("gateway", job, SubmitJob(msgspec.convert(SPEC, JobSpec)))
            await api.send_as("gateway", job, CancelJob())
        else:
            command = PublishEvent("/test", str(number), "test.happened", data=data)
            await api.send_as("gateway", Address("w", "event", event_key("/test", str(number))), command)


async def stored(api: Api, query: str) -> bytes:
    """All that the log has of what ``query`` asks for, page by page."""
    found, since = b"", "0"
    while since:
        path = f"/v1/events?{query}&follow=false&since={since}"
        page = await api.ask("GET", path, headers={"accept": "text/event-stream"})
        found, since = found + page.body, page.headers.get("treering-next", "")
    return found


async def test_a_subscriber_killed_and_resumed_a_thousand_times_sees_every_event_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ring is small, so that the subscriber falls from it into the log and climbs back again and again."""
    monkeypatch.setattr(hub, "RING_COMMITS_MAX", 20)
    chance = random.Random(4)
    watcher = Watcher(api, "since=0&follow=true")
    published = 0
    for _ in range(RESUMES):
        if chance.random() < 0.3:
            more = chance.choice([1, 2, 5, 12])
            publishing = asyncio.create_task(publish(api, published, more))
            published += more
            await watcher.read(1 if chance.random() < 0.8 else more, chance.choice([64, 700, 65536]))
            await publishing
        else:
            await publish(api, published, 1)
            published += 1
            await watcher.read(1, chance.choice([64, 700, 65536]))
    everything = Watcher(api, "")
    everything.take(await stored(api, "limit=1000"))
    await watcher.read(len(everything.ids) - len(watcher.ids))
    assert watcher.ids == everything.ids
    assert len(set(watcher.ids)) == len(watcher.ids) > RESUMES


async def test_a_selection_resumed_at_random_sees_its_own_events_and_no_others(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "RING_COMMITS_MAX", 8)
    chance = random.Random(1)
    await publish(api, 0, 60)
    for query in ("kind=job", "kind=job&type=job.cancel*", "ws=w&kind=event", "kind=job&name=j14"):
        wanted = Watcher(api, "")
        wanted.take(await stored(api, query))
        watcher = Watcher(api, f"{query}&since=0")
        while len(watcher.ids) < len(wanted.ids):
            await watcher.read(min(chance.choice([1, 2, 9]), len(wanted.ids) - len(watcher.ids)))
        assert watcher.ids == wanted.ids and watcher.ids, query


async def test_a_subscriber_that_stops_reading_slows_no_other_and_is_cut_off(
    nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STALLED_SECONDS_MAX", 1.0)
    monkeypatch.setattr(hub, "RING_BYTES_MAX", 256 * 1024)
    async with running_gateway(nats_server) as api:
        stalled = Watcher(api, "since=0&ws=w")
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1024)
        writer.write(stalled.head())
        await reader.readuntil(b"\r\n\r\n")
        big = "x" * 100_000
        others = [Watcher(api, "since=0&ws=w&kind=event") for _ in range(5)]
        reading = [asyncio.create_task(one.read(103)) for one in others]
        await publish(api, 1, 120, big)
        await asyncio.gather(*reading)
        async with asyncio.timeout(READ_SECONDS):
            while (await api.ask("GET", "/v1/status")).json["streams"]:
                pass
        writer.close()
        assert all(len(set(one.ids)) == len(one.ids) >= 103 for one in others)


async def test_a_subscriber_that_leaves_does_not_set_those_who_watch_the_same_spinning(api: Api) -> None:
    ring = hub.Hub(api.reader.projector.log, api.reader.feed)  # type: ignore[arg-type]
    await ring.start()
    stays, leaves = (Subscriber(ring, Selection(kind="node"), Start(ring.position)) for _ in range(2))
    waiting = [asyncio.create_task(drained(one)) for one in (stays, leaves)]
    await rounds()
    leaves.end()
    await rounds()
    assert [one.done() for one in waiting] == [False, True]
    stays.end()
    await asyncio.gather(*waiting)
    assert waiting[0].result() <= 2 and not ring.groups


async def drained(subscriber: Subscriber) -> int:
    """How many times it said that there was nothing."""
    said = 0
    async for chunk in subscriber.chunks():
        said += not chunk
        assert said < 10, "it goes round and round"
    return said


async def rounds() -> None:
    """Let everything that can run now run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_who_begins_earlier_gets_all_and_who_waits_gets_nothing_twice(api: Api) -> None:
    # Given one who waits for what comes,
    ring = hub.Hub(api.reader.projector.log, api.reader.feed)  # type: ignore[arg-type]
    await ring.start()
    following = asyncio.create_task(ring.run())
    await publish(api, 1, 5)
    async with asyncio.timeout(READ_SECONDS):
        while ring.position < (await ring.log.head()):
            await ring.moved.wait()
        selection = Selection(kind="event")
        late = Subscriber(ring, selection, Start(ring.position)).chunks()
        waiting = asyncio.ensure_future(anext(late))
        await rounds()
        assert ring.groups
        # when another begins before,
        early = Subscriber(ring, selection, Start(ring.floor)).chunks()
        old = ids_in(await anext(early))
        await publish(api, 6, 1)
        # then both get what comes, and only he what was.
        new = ids_in(await waiting)
        assert ids_in(await anext(early)) == new and len(new) == 1
    assert len(old) == 5 and max(old) < new[0]
    for one in (early, late):
        await one.aclose()  # type: ignore[attr-defined]
    following.cancel()


def ids_in(chunk: bytes) -> list[int]:
    return [int(line[4:].split(b".")[0]) for line in chunk.split(b"\n") if line.startswith(b"id: ")]


async def test_memory_of_the_ring_is_bounded_and_subscribers_leave_no_trace(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "RING_COMMITS_MAX", 10)
    ring = hub.Hub(api.reader.projector.log, api.reader.feed)  # type: ignore[arg-type]
    await ring.start()
    following = asyncio.create_task(ring.run())
    group = ring.join(Selection(kind="event"), ring.position)
    await publish(api, 1, 60)
    async with asyncio.timeout(READ_SECONDS):
        while ring.position < (await ring.log.head()):
            await ring.moved.wait()
    assert len(ring.ring) == 10 and len(group.positions) <= 10 and len(group.joined) <= hub.JOINED_MAX
    assert group.dropped > 0 and ring.floor == ring.ring[0].position - 1
    ring.leave(group)
    assert not ring.groups and not ring.by_address
    following.cancel()
