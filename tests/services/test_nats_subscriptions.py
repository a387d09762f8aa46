"""A program from outside asks over NATS for what comes next: nothing lost, nothing twice, nothing of others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client
from tests.services.gateway_example import SPEC, Api, running_gateway

from treering.adapters.bus import ask
from treering.adapters.nats_accounts import add_subscriber, remove_subscriber
from treering.kernel.refusal import Refused
from treering.testing.nats import RunningNats
from treering_services.gateway import hub, polls

pytestmark = pytest.mark.anyio
ASK_SECONDS = 60.0
WAITS = 30.0
OTHERS = "v"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with with_subscribers(nats_server) as running:
        yield running


@pytest.fixture(scope="module")
async def shared(shared_nats: RunningNats) -> AsyncIterator[Client]:
    """A subscriber of an installation that the tests leave as it is."""
    async with with_subscribers(shared_nats):
        yield await shared_nats.connect("subscriber-ours")


@asynccontextmanager
async def with_subscribers(nats: RunningNats) -> AsyncIterator[Api]:
    await add_subscriber(nats.home, "ours", "w")
    await add_subscriber(nats.home, "theirs", OTHERS)
    async with running_gateway(nats) as running:
        await running.ask("POST", f"/v1/workspaces/{OTHERS}/create", {})
        yield running


@pytest.fixture
async def ours(api: Api) -> Client:
    return await api.nats.connect("subscriber-ours")


async def batch(client: Client, of: str = "ours", /, **asked: Any) -> Any:
    body = msgspec.json.encode(asked)
    return msgspec.json.decode(await ask(client, f"sub.{of}", body, timeout_seconds=ASK_SECONDS))


def ids(answer: Any) -> list[str]:
    return [event["id"] for event in answer["events"]]


async def happens(api: Api, number: int, workspace: str = "w") -> None:
    """A commit of one event; every seventh time two, the second with a job's cancelation of two events."""
    if number % 7 == 0:
        submitted = await api.ask("POST", "/v1/workspaces/w/jobs", {"name": f"j{number}", "spec": SPEC})
        canceled = await api.ask("POST", f"/v1/workspaces/w/jobs/j{number}/cancel")
        assert (submitted.status, canceled.status) == (201, 200)
    path = f"/v1/workspaces/{workspace}/experiments/e{number}/create"
    assert (await api.ask("POST", path)).status == 201


async def recorded(api: Api, query: str) -> list[str]:
    """What the log has, as it is read over HTTP."""
    lines = (await api.ask("GET", f"/v1/events?follow=false&limit=1000&{query}")).body.splitlines()
    return [msgspec.json.decode(line)["id"] for line in lines]


async def waiting(api: Api, count: int) -> None:
    """Until so many requests are held by the gateway."""
    async with asyncio.timeout(ASK_SECONDS):
        while (await api.ask("GET", "/v1/status")).json["streams"] != count:
            pass


@pytest.mark.parametrize("limit", [1, 3, polls.EVENTS_MAX])
async def test_batches_from_the_beginning_are_the_workspaces_log(api: Api, ours: Client, limit: int) -> None:
    # Given events of two workspaces, some of them two a commit,
    for number in range(15):
        await happens(api, number, OTHERS if number % 2 else "w")
    # when a subscriber of one asks from the beginning, batch for batch,
    seen, answer = list[str](), {"next": "", "caught_up": False}
    while not answer["caught_up"]:
        answer = await batch(ours, since=answer["next"], limit=limit)
        assert len(answer["events"]) <= limit
        seen += ids(answer)
    # then it has each event of that workspace once, in their order.
    assert seen == await recorded(api, "ws=w") and any(id.endswith(".1") for id in seen)


async def test_asked_again_and_again_at_random_nothing_is_lost_or_comes_twice(
    api: Api, ours: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a ring so small that the subscriber falls from it into the log and climbs back,
    monkeypatch.setattr(hub, "RING_COMMITS_MAX", 8)
    chance, seen, since = random.Random(7), list[str](), ""
    # when answers are lost at random while events come,
    for number in range(150):
        await happens(api, number)
        answer = await batch(ours, since=since, limit=chance.choice([1, 2, 50]))
        if chance.random() < 0.7:
            seen, since = seen + ids(answer), answer["next"]
    while not (answer := await batch(ours, since=since))["caught_up"] or answer["events"]:
        seen, since = seen + ids(answer), answer["next"]
    # then asking on from the last one kept has given everything exactly once.
    assert seen == await recorded(api, "ws=w") and len(seen) > 150


async def test_a_request_waits_for_the_next_event_of_its_kind(api: Api, ours: Client) -> None:
    # Given a request that waits for events of jobs,
    asked = asyncio.create_task(batch(ours, since="now", kind="job", type="job.sub*", wait_seconds=WAITS))
    await waiting(api, 1)
    # when others come first,
    await api.ask("POST", "/v1/workspaces/w/experiments/e/create")
    await api.submitted("mine")
    # then it is answered with its own, as the log has it.
    answer = await asked
    assert [event["type"] for event in answer["events"]] == ["job.submitted"]
    assert ids(answer) == await recorded(api, "ws=w&kind=job&name=mine")


async def test_a_wait_for_nothing_ends_empty_where_the_next_one_goes_on(api: Api, ours: Client) -> None:
    # Given a wait in which only events of others came,
    asked = asyncio.create_task(batch(ours, since="now", wait_seconds=0.3))
    await happens(api, 1, OTHERS)
    empty = await asked
    # when one of ours comes behind it,
    await happens(api, 2)
    # then it is the next.
    answer = await batch(ours, since=empty["next"], wait_seconds=WAITS)
    assert (empty["events"], empty["caught_up"]) == ([], True)
    assert [event["subject"] for event in answer["events"]] == ["experiment/e2"]


async def test_a_log_without_events_of_the_kind_is_passed_at_once(
    api: Api, ours: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a log that is longer than the ring, without an event of a node in it,
    monkeypatch.setattr(hub, "RING_COMMITS_MAX", 2)
    for number in range(1, 6):
        await happens(api, number)
    # when these are asked for from the beginning,
    answer = await batch(ours, kind="node")
    # then the next request goes on at its end.
    end = (await recorded(api, ""))[-1].partition(".")[0]
    assert answer == {"events": [], "next": end, "caught_up": True}


async def test_no_position_leads_into_another_workspace(api: Api) -> None:
    # Given events of another workspace, at positions that anybody can guess,
    await happens(api, 1)
    await happens(api, 2, OTHERS)
    head = int((await recorded(api, ""))[-1].partition(".")[0])
    for name, workspace in (("ours", "w"), ("theirs", OTHERS)):
        client = await api.nats.connect(f"subscriber-{name}")
        for position in range(1, head + 1):
            for since in (position - 1, f"{position}", f"{position}.0"):
                # when a subscriber asks from there,
                answer = await batch(client, name, since=since)
                # then it sees its own workspace only.
                sources = {event["source"] for event in answer["events"]}
                assert sources <= {f"/treering/{workspace}"}, (name, since)
        refused = await batch(client, name, ws="w")
        assert refused["code"] == "request.malformed"


async def test_a_position_that_the_log_has_not_reached_is_refused_with_where_it_ends(api: Api, ours: Client) -> None:
    # Given a log that ends at some position,
    await happens(api, 1)
    head = int((await recorded(api, ""))[-1].partition(".")[0])
    # when a subscriber asks for what comes behind a later one, as after a backup was put back,
    for since in (head + 1, f"{head + 1}.0", f"{head + 5}.3", 10**15):
        answer = await batch(ours, since=since, wait_seconds=WAITS)
        # then it is told so at once, and where the log ends;
        assert answer["code"] == "position.other_log" and answer["head"] == answer["common"] == head
        assert f"ends at {head};" in answer["detail"], since
    # the end itself is none of them.
    for since in (head, f"{head}.0"):
        assert (await batch(ours, since=since))["events"] == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"limit": 0}, "request.query"),
        ({"limit": polls.EVENTS_MAX + 1}, "request.query"),
        ({"wait_seconds": -1}, "request.query"),
        ({"wait_seconds": polls.WAIT_SECONDS_MAX + 1}, "request.query"),
        ({"since": "yesterday"}, "request.query"),
        ({"kind": "model", "type": "job.*"}, "filter.impossible"),
        ({"kind": "installation"}, "filter.impossible"),
        ({"type": "job.compleeted"}, "type.unknown"),
        ({"since": -1}, "request.query"),
        ({"since": "0.1"}, "request.query"),
        ({"since": "1."}, "request.query"),
        ({"since": "9" * 30}, "request.query"),
        ({"name": "j"}, "request.query"),
        ({"kind": "nothing"}, "kind.unknown"),
        ({"type": ",".join(map(str, range(65)))}, "request.query"),
        ({"type": "x" * polls.REQUEST_BYTES_MAX}, "request.malformed"),
        ({"since": None}, "request.malformed"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(shared: Client, asked: dict[str, Any], code: str) -> None:
    answer = await batch(shared, **asked)
    assert answer["code"] == code, answer


async def test_a_batch_is_bounded_in_bytes(api: Api, ours: Client) -> None:
    # Given events of which two are more than a batch may have,
    event = {"source": "/test", "type": "big.came", "data": "x" * (polls.BATCH_BYTES_MAX * 2 // 3)}
    for number in range(3):
        await api.ask("POST", "/v1/workspaces/w/events", {**event, "id": str(number)})
    # when they are asked for,
    first = await batch(ours, kind="event")
    second = await batch(ours, kind="event", since=first["next"])
    # then each comes in a batch of its own.
    assert [len(one["events"]) for one in (first, second)] == [1, 1] and ids(first) != ids(second)


async def test_one_subscriber_holds_few_requests_and_leaves_room_for_others(api: Api, ours: Client) -> None:
    # Given as many requests of one subscriber as it may have,
    asked = [asyncio.create_task(batch(ours, since="now", wait_seconds=WAITS)) for _ in range(polls.UNDER_WAY_MAX)]
    await waiting(api, polls.UNDER_WAY_MAX)
    # when it asks once more, and another does,
    refused = await batch(ours)
    theirs = await batch(await api.nats.connect("subscriber-theirs"), "theirs")
    await happens(api, 1)
    # then only it is refused, and every answer leaves room again.
    assert refused["code"] == "service.busy" and theirs["caught_up"]
    assert [len(one["events"]) for one in await asyncio.gather(*asked)] == [1] * polls.UNDER_WAY_MAX
    assert (await batch(ours))["events"]


async def test_a_subscriber_that_is_removed_is_cut_off(api: Api) -> None:
    # Given a subscriber that waits,
    closed: asyncio.Queue[str] = asyncio.Queue()
    client = await api.nats.connect("subscriber-ours", on_violation=closed.put_nowait)
    asked = asyncio.create_task(batch(client, since="now", wait_seconds=WAITS))
    await waiting(api, 1)
    # when it is removed,
    await remove_subscriber(api.nats.home, "ours")
    # then its connection is closed for good, it hears nothing, and the name may watch another workspace.
    assert "for good" in await asyncio.wait_for(closed.get(), ASK_SECONDS)
    asked.cancel()
    await add_subscriber(api.nats.home, "ours", OTHERS)
    again = await batch(await api.nats.connect("subscriber-ours"))
    assert {event["source"] for event in again["events"]} == {f"/treering/{OTHERS}"}
    with pytest.raises(Refused, match=r"subscriber\.exists"):
        await add_subscriber(api.nats.home, "ours", "w")


async def test_those_who_wait_are_answered_when_the_gateway_stops(api: Api, ours: Client) -> None:
    asked = asyncio.create_task(batch(ours, since="now", wait_seconds=WAITS))
    await waiting(api, 1)
    await api.service.stop()
    answer = await asked
    assert answer["events"] == [] and answer["next"].isdecimal()
