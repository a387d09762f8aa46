"""What others publish is never taken for an event of ours: not at the door, and not out of a log of before the rule."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import SPEC, WS, Api, running_gateway
from tests.services.sink import running_sink
from tests.services.test_webhooks import create, experiments, running_notifier

from treering.adapters.bus import ask
from treering.adapters.nats_accounts import add_publisher
from treering.domain import KINDS, is_reserved
from treering.domain.event import PublishEvent, event_key
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
GRID = "Microsoft.MachineLearningServices."
OURS = ("job.completed", "model.registered", " JOB.Completed ", "treering.webhook.test", "event.published",
        "secret.read", "\uff4aob.completed",
        f"{GRID}ModelRegistered", f"{GRID.lower()}RunCompleted", f"{GRID}DatasetDriftDetected")  # fmt: skip
EVENT = {"id": "1", "source": "/ci", "type": "build.done", "data": {"ok": True, "n": 1}}


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    await add_publisher(nats_server.home, "ci", "w")
    async with running_gateway(nats_server) as running:
        yield running


async def publish(api: Api, **more: Any) -> Any:
    return await api.ask("POST", f"{WS}/events", {**EVENT, **more})


async def stored_before_the_rule(api: Api, type: str, id: str = "old") -> int:
    """As a log of before holds it: the rule is the gateway's, which is not asked here."""
    command = PublishEvent("/ci", id, type, "job/j", data={"status": "Completed"})
    written = await api.send_as("gateway", Address("w", "event", event_key("/ci", id)), command)
    await api.reader.projector.reached(written.position)
    return written.position


@pytest.mark.parametrize("type", ["a,b", ",", "*", "build.*", "*.done", " ", "build.done ", "\u00a0build"])
async def test_a_type_that_nobody_could_ask_for_is_refused(api: Api, type: str) -> None:
    answer = await publish(api, type=type)
    assert (answer.status, answer.code) == (400, "event.invalid") and "type is " in answer.json["detail"]


@pytest.mark.parametrize("type", OURS)
async def test_a_type_of_ours_is_refused_at_every_door(api: Api, type: str) -> None:
    one = await publish(api, type=type)
    assert (one.status, one.code) == (400, "event.type_reserved") and repr(type) in one.json["detail"]
    batch = (await api.ask("POST", f"{WS}/events", [{**EVENT, "type": type}, EVENT])).json["results"]
    assert [result.get("code", "") for result in batch] == ["event.type_reserved", ""]
    client = await api.nats.connect("publisher-ci")
    said = msgspec.json.encode({"workspace": "w", "events": [{**EVENT, "id": "n", "type": type}]})
    answer = msgspec.json.decode(await ask(client, "pub.ci", said, timeout_seconds=20.0))
    assert answer["results"][0]["code"] == "event.type_reserved"
    stored = (await api.ask("GET", "/v1/events?kind=event")).body.splitlines()
    assert [msgspec.json.decode(line)["type"] for line in stored] == ["build.done"]


def test_every_event_of_every_kind_is_reserved_and_words_that_only_look_alike_are_not() -> None:
    assert all(is_reserved(tag) for kind in KINDS.values() for tag in kind.event_types)
    assert not any(map(is_reserved, ("build.done", "jobs.done", "com.example.job.completed", "modelled.x", "job")))


@pytest.mark.parametrize("source", ["/treering/w", "/Treering/w", " /TREERING/main", "/%74reering/w"])
async def test_a_source_of_ours_is_refused_whatever_its_case(api: Api, source: str) -> None:
    one = await publish(api, source=source)
    assert (one.status, one.code) == (400, "event.source_reserved")
    assert (await publish(api, source="/treerings/w")).status == 200
    assert (await publish(api, source="/a b")).code == "event.invalid"


async def test_no_event_takes_the_place_of_one_with_another_source_and_id(api: Api) -> None:
    assert event_key("/ci\n1", "2") == event_key("/ci", "1\n2")
    for fields in ({"source": "/ci\n1", "id": "2"}, {"source": "/ci", "id": "1\n2"}):
        one = await publish(api, **fields)
        assert one.code == "event.malformed", one.body


async def test_no_schema_can_be_made_for_a_type_of_ours(api: Api) -> None:
    answer = await api.ask("POST", f"{WS}/event_schemas/job.completed/create", {"schema": {"type": "object"}})
    assert (answer.status, answer.code) == (400, "event.type_reserved")


async def test_every_envelope_says_whether_it_was_published_also_out_of_an_old_log(api: Api) -> None:
    await api.submitted("j")
    await stored_before_the_rule(api, "job.completed")
    assert (await publish(api)).status == 200
    lines = [msgspec.json.decode(line) for line in (await api.ask("GET", "/v1/events?ws=w")).body.splitlines()]
    marked = {(one["source"], one["type"]) for one in lines if one.get("published") is True}
    assert marked == {("/ci", "job.completed"), ("/ci", "build.done")}
    assert all("published" not in one and one["source"] == "/treering/w" for one in lines if one["source"] != "/ci")
    live = (await api.events("/v1/events?ws=w&type=job.completed", 1))[0]
    assert msgspec.json.decode(live["data"])["published"] is True
    story = (await api.ask("GET", "/v1/events?kind=job&type=job.completed")).body
    assert not story  # what is asked for as events of the kind job are its own only


async def test_webhooks_get_it_marked_and_sinks_of_azure_not_at_all_replayed_or_not(api: Api) -> None:
    async with running_notifier(api), running_sink() as plain, running_sink() as grid:
        await stored_before_the_rule(api, f"{GRID}ModelRegistered", "a")
        await stored_before_the_rule(api, "model.created", "b")
        await create(api, plain, "plain", since=0, kind="event")
        await create(api, grid, "grid", body="eventgrid", since=0)
        await plain.until(lambda: len(plain.got) == 2)
        body = {"since": 0, "request": "r1"}
        for name in ("plain", "grid"):
            assert (await api.ask("POST", f"{WS}/webhooks/{name}/replay", body)).status == 200
        await api.ask("POST", f"{WS}/jobs", {"name": "j", "spec": SPEC})
        await plain.until(lambda: len(plain.got) >= 4)
        await grid.until(lambda: len(grid.got) >= 1)
    published = [one.json for one in plain.got]
    assert {one["type"] for one in published} == {"model.created", f"{GRID}ModelRegistered"}
    assert len(published) == 4 and all(one["published"] is True and one["source"] == "/ci" for one in published)
    assert {one.json[0]["eventType"] for one in grid.got} == {f"{GRID}RunStatusChanged"}


async def test_the_same_source_and_id_with_another_content_is_a_conflict_that_says_what_differs(api: Api) -> None:
    first = await publish(api)
    again = await publish(api, data={"n": 1, "ok": True})
    assert again.json["results"] == [{"id": "1", "position": first.json["results"][0]["position"], "duplicate": True}]
    await experiments(api, 1)
    others: dict[str, dict[str, Any]] = {
        "type": {"type": "build.failed"}, "data": {"data": {"ok": True, "n": True}}, "cause": {"cause": "x"},
        "time": {"time": "2026-01-01T00:00:00Z"}, "subject": {"subject": "experiment/e1"},
    }  # fmt: skip
    for field, other in others.items():
        answer = await publish(api, **other)
        assert (answer.status, answer.code) == (409, "event.conflict"), field
        assert f"another {field};" in answer.json["detail"] and "'/ci'" in answer.json["detail"]
    both = await asyncio.gather(*(publish(api, id="race", data=number) for number in range(4)))
    assert sorted(one.status for one in both) == [200, 409, 409, 409]
    assert len((await api.ask("GET", "/v1/events?type=build.done")).body.splitlines()) == 2


async def test_the_same_instant_in_another_zone_is_the_same_event(api: Api) -> None:
    await publish(api, id="t", time="2026-01-01T01:00:00+01:00")
    again = (await publish(api, id="t", time="2026-01-01T00:00:00Z")).json["results"][0]
    assert again["duplicate"] is True
