"""Watching events and consoles, and publishing events, over HTTP and NATS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import TIMEOUT_SECONDS, WS, Api, running_gateway

from treering.adapters.blobs import LocalBlobs
from treering.adapters.bus import ask
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.nats_accounts import add_publisher
from treering.adapters.trees import put_tree
from treering.domain.event import event_key
from treering.domain.job_messages import CompleteJob
from treering.testing.nats import RunningNats
from treering_services.gateway import logs, tail
from treering_services.gateway.logs import CONSOLE_FILE

pytestmark = pytest.mark.anyio
DEEP = b"[" * 9000 + b"]" * 9000
EVENT = {"specversion": "1.0", "id": "1", "source": "ci", "type": "build.done", "data": {"ok": True}}


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    await add_publisher(nats_server.home, "ci", "w")
    async with running_gateway(nats_server) as running:
        yield running


async def experiments(api: Api, *numbers: int) -> int:
    """Create these experiments in order; the position of the last."""
    for number in numbers:
        written = await api.ask("POST", f"{WS}/experiments/e{number}/create")
    return int(written.json["position"])


def subjects(events: list[dict[str, str]]) -> list[str]:
    return [msgspec.json.decode(event["data"])["subject"] for event in events]


async def test_a_subscriber_gets_what_was_and_then_what_comes(api: Api) -> None:
    start = (await api.ask("GET", "/v1/status")).json["head"]
    await experiments(api, 0, 1)
    watching = asyncio.create_task(api.events(f"/v1/events?since={start}", 4))
    await experiments(api, 2, 3)
    assert subjects(await watching) == [f"experiment/e{number}" for number in range(4)]


async def test_a_subscriber_that_comes_back_goes_on_where_it_was(api: Api) -> None:
    start = (await api.ask("GET", "/v1/status")).json["head"]
    await experiments(api, *range(6))
    seen = await api.events(f"/v1/events?since={start}", 2)
    seen += await api.events("/v1/events", 3, {"last-event-id": seen[-1]["id"]})
    seen += await api.events("/v1/events", 1, {"last-event-id": seen[-1]["id"]})
    assert subjects(seen) == [f"experiment/e{number}" for number in range(6)]


async def test_a_subscriber_may_stop_in_the_middle_of_a_commit(api: Api) -> None:
    await api.submitted("j")
    canceled = await api.ask("POST", f"{WS}/jobs/j/cancel")
    at = canceled.json["position"]
    both = await api.events(f"/v1/events?since={at - 1}", 2)
    second = await api.events("/v1/events", 1, {"last-event-id": f"{at}.0"})
    assert [one["event"] for one in both] == ["job.cancel_requested", "job.canceled"]
    assert second == both[1:] and second[0]["id"] == f"{at}.1"


async def test_an_event_is_a_cloud_event_with_its_place_actor_and_cause(api: Api) -> None:
    position = await experiments(api, 1)
    found = await api.events(f"/v1/events?since={position - 1}", 1)
    event = msgspec.json.decode(found[0]["data"])
    assert event["specversion"] == "1.0" and event["source"] == "/treering/w" and event["id"] == f"{position}.0"
    assert event["type"] == "experiment.created" == found[0]["event"] and event["position"] == position
    assert event["data"] == {"type": "experiment.created"} and event["actor"].startswith("u_") and event["commandid"]


async def test_events_are_filtered_by_workspace_kind_name_and_type(api: Api) -> None:
    await experiments(api, 1, 2)
    await api.submitted("j")
    await api.ask("POST", f"{WS}/jobs/j/cancel")
    for query, wanted in (
        ("ws=w&kind=experiment&name=e2", ["experiment/e2"]),
        ("kind=job", ["job/j"] * 3),
        ("type=job.submitted,job.canceled", ["job/j"] * 2),
        ("ws=w&kind=node", []),
        ("type=build.none", []),
    ):
        lines = (await api.ask("GET", f"/v1/events?{query}")).body.splitlines()
        assert [msgspec.json.decode(line)["subject"] for line in lines] == wanted, query


async def test_events_behind_the_end_of_the_log_are_refused_with_where_it_ends(api: Api) -> None:
    await api.submitted("j")
    head = await api.reader.projector.log.head()
    for since in (f"{head + 1}", f"{head + 1}.0", f"{head + 5}.0"):
        for path, headers in ((f"/v1/events?since={since}", {}), ("/v1/events", {"last-event-id": since})):
            for accept in ("text/event-stream", "application/x-ndjson"):
                answer = await api.ask("GET", path, headers={**headers, "accept": accept})
                assert (answer.status, answer.code) == (410, "position.other_log"), (path, headers)
                assert {**answer.json, **{"epoch": "1", "head": head, "common": head}} == answer.json
                assert f"ends at {head};" in answer.json["detail"] and since in answer.json["detail"]
    for since in (str(head), f"{head}.0"):
        assert (await api.ask("GET", f"/v1/events?since={since}")).body == b""


@pytest.mark.parametrize(
    "query",
    [
        "since=x",
        "kind=dog",
        "ws=nowhere",
        "type=job.compleeted",
        "type=job.x*",
        "type=event.published",
        "name=a",
        "ws=*",
        "ws=a.>",
        "kind=job&name=>",
        "limit=0",
        "limit=1001",
        "limit=1&follow=true",
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(shared_api: Api, query: str) -> None:
    assert (await shared_api.ask("GET", f"/v1/events?{query}")).status in (400, 404)


async def test_a_reader_that_does_not_read_holds_up_nobody_and_misses_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "WAITING_BATCHES_MAX", 1)
    slow = tail.Tail(api.clients["gateway"], "EVT", after=0, subject="evt.w.experiment.*")
    batches = slow.batches(lambda: 20.0)
    await experiments(api, 0)
    seen = [message.position for message in await anext(batches)]
    last = await experiments(api, *range(1, 12))
    assert len(await api.events("/v1/events?kind=experiment", 12)) == 12
    while seen[-1] < last:
        seen += [message.position for message in await anext(batches)]
    await batches.aclose()  # type: ignore[attr-defined]
    assert len(seen) == 12 and seen == sorted(set(seen))


async def test_streams_end_when_the_gateway_stops(api: Api) -> None:
    position = await experiments(api, 1)
    watching = asyncio.create_task(api.events(f"/v1/events?since={position - 1}", 99))
    while not (await api.ask("GET", "/v1/status")).json["streams"]:
        pass
    async with asyncio.timeout(8):
        await api.service.stop()
        assert subjects(await watching) == ["experiment/e1"]
    assert not api.home.url_file.exists()


async def test_a_connection_that_is_kept_alive_is_closed_when_the_gateway_stops(api: Api) -> None:
    with api.connection() as connection:
        await asyncio.to_thread(connection.request, "GET", "/healthz")
        (await asyncio.to_thread(connection.getresponse)).read()
        await api.service.stop()
        assert await asyncio.to_thread(connection.sock.recv, 1) == b""


async def test_an_event_published_twice_is_stored_once(api: Api) -> None:
    first = await api.ask("POST", f"{WS}/events", EVENT)
    again = await api.ask("POST", f"{WS}/events", EVENT)
    (one,), (two,) = first.json["results"], again.json["results"]
    assert one["position"] == two["position"] and two["duplicate"] and "duplicate" not in one
    key = event_key("ci", "1")
    assert (await api.ask("GET", f"{WS}/events/{key}?after={one['position']}")).json["status"] == "published"


async def test_a_published_event_comes_out_as_it_went_in(api: Api) -> None:
    await experiments(api, 1)
    sent = {**EVENT, "subject": "experiment/e1", "time": "2026-01-02T03:04:05Z", "cause": "why"}
    position = (await api.ask("POST", f"{WS}/events", sent)).json["results"][0]["position"]
    event = msgspec.json.decode((await api.events(f"/v1/events?since={position - 1}", 1))[0]["data"])
    assert {name: event[name] for name in sent} == sent and event["position"] == position


async def test_an_event_without_data_comes_out_without_data(api: Api) -> None:
    sent = {"id": "1", "source": "ci", "type": "build.begun"}
    position = (await api.ask("POST", f"{WS}/events", sent)).json["results"][0]["position"]
    event = msgspec.json.decode((await api.events(f"/v1/events?since={position - 1}", 1))[0]["data"])
    assert event["type"] == "build.begun" and "data" not in event and "datacontenttype" not in event


async def test_the_bad_events_of_a_batch_are_named_and_the_good_ones_kept(api: Api) -> None:
    batch: list[Any] = [
        EVENT,
        {**EVENT, "id": "2", "subject": "job/none"},
        {"id": "3"},
        {**EVENT, "id": "4", "position": 17},
        {**EVENT, "id": ""},
        {**EVENT, "id": "6", "subject": "../etc"},
        17,
        {**EVENT, "id": "8", "specversion": "0.3"},
        {**EVENT, "id": "9"},
    ]
    answer = await api.ask("POST", f"{WS}/events", batch, {"content-type": "application/cloudevents-batch+json"})
    codes = [one.get("code", "") for one in answer.json["results"]]
    assert answer.status == 207 and answer.json["refused"] == 6
    assert codes == [
        "", "event.subject_absent", "event.malformed", "event.malformed", "event.invalid", "", "event.malformed",
        "event.invalid", "",
    ]  # fmt: skip
    assert answer.json["results"][1]["detail"].startswith("event 1: ")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ([], 400, "event.batch"),
        ([EVENT] * 501, 400, "event.batch"),
        ({**EVENT, "subject": "job/none"}, 400, "event.subject_absent"),
        (b"[[[", 400, "request.malformed"),
        (b'{"id": ' + b"[" * 90_000, 400, "request.malformed"),
        (b'[{"id": "1", "source": "s", "type": "t", "data": ' + DEEP + b"}]", 400, "request.malformed"),
    ],
)
async def test_a_body_that_is_no_event_is_refused(shared_api: Api, body: object, status: int, code: str) -> None:
    answer = await shared_api.ask("POST", f"{WS}/events", body)
    assert (answer.status, answer.code) == (status, code)


async def test_events_come_over_nats_too_under_the_publishers_name(api: Api) -> None:
    client = await api.nats.connect("publisher-ci")
    body = msgspec.json.encode({"workspace": "w", "events": [EVENT, {"id": "2"}]})
    first = msgspec.json.decode(await ask(client, "pub.ci", body))
    again = await api.ask("POST", f"{WS}/events", EVENT)
    position = first["results"][0]["position"]
    event = msgspec.json.decode((await api.events(f"/v1/events?since={position - 1}", 1))[0]["data"])
    assert first["refused"] == 1 and again.json["results"][0]["duplicate"]
    assert event["actor"] == "publisher:ci"
    refused = msgspec.json.decode(await ask(client, "pub.ci", b"[["))
    assert refused["code"] == "event.malformed"


async def chunks(api: Api, job: str, attempt: int, *texts: bytes) -> None:
    client = await api.nats.connect("executor")
    for text in texts:
        await ask(client, f"log.w.{job}.{attempt}", text)


async def test_a_console_is_followed_to_the_end_of_its_job(api: Api) -> None:
    job = await api.held("j")
    await chunks(api, "j", 1, b"one\n", "zwölf\n".encode()[:3])
    watching = asyncio.create_task(api.events(f"{WS}/jobs/j/logs?follow=true", 99))
    await chunks(api, "j", 1, "zwölf\n".encode()[3:], b"")
    await api.send_as("executor", job, CompleteJob(1, "n1"))
    events = await watching
    texts = [msgspec.json.decode(one["data"])["text"] for one in events[:-1]]
    assert "".join(texts) == "one\nzwölf\n" and [one["event"] for one in events] == ["log"] * 3 + ["end"]
    assert msgspec.json.decode(events[-1]["data"]) == {"status": "Completed"}
    rest = await api.events(f"{WS}/jobs/j/logs?follow=true", 99, {"last-event-id": events[0]["id"]})
    assert [one["event"] for one in rest] == ["log", "log", "end"]
    assert (await api.ask("GET", f"{WS}/jobs/j/logs")).body.decode() == "one\nzwölf\n"


async def test_a_console_behind_all_that_was_said_is_refused(api: Api) -> None:
    await api.held("j")
    await chunks(api, "j", 1, b"one\n")
    last = await JetStreamLog(await api.nats.connect("executor"), "LOG").head()
    for more in ("", "&follow=true"):
        for query, headers in ((f"start={last + 2}", {}), ("start=0", {"last-event-id": str(last + 1)})):
            answer = await api.ask("GET", f"{WS}/jobs/j/logs?{query}{more}", headers=headers)
            assert (answer.status, answer.code) == (400, "logs.start_ahead"), (query, more)
            assert f"said is {last};" in answer.json["detail"]
    assert (await api.ask("GET", f"{WS}/jobs/j/logs?start={last + 1}")).body == b""


async def test_a_job_whose_console_never_said_that_it_ended_is_not_waited_for(api: Api) -> None:
    job = await api.held("j")
    await chunks(api, "j", 1, b"one\n")
    watching = asyncio.create_task(api.events(f"{WS}/jobs/j/logs?follow=true", 99))
    await api.send_as("executor", job, CompleteJob(1, "n1"))
    assert [one["event"] for one in await watching] == ["log", "end"]


async def test_a_job_that_said_nothing_ends_without_waiting_for_its_console(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MARK_WAIT_SECONDS", TIMEOUT_SECONDS * 2)  # waiting for a mark would be noticed
    job = await api.held("j")
    watching = asyncio.create_task(api.events(f"{WS}/jobs/j/logs?follow=true", 99))
    await api.send_as("executor", job, CompleteJob(1, "n1"))
    assert [one["event"] for one in await watching] == ["end"]


async def test_a_console_that_has_aged_out_is_read_from_the_archive(api: Api) -> None:
    job = await api.held("j")
    folder = api.home.root / "logs"
    (folder / CONSOLE_FILE).parent.mkdir(parents=True)
    (folder / CONSOLE_FILE).write_text("kept\n")
    tree = await put_tree(LocalBlobs(api.home.blobs), folder)
    await api.reader.projector.reached(
        (await api.send_as("executor", job, CompleteJob(1, "n1", logs=tree.digest))).position
    )
    events = await api.events(f"{WS}/jobs/j/logs?follow=true", 99)
    assert (await api.ask("GET", f"{WS}/jobs/j/logs")).body == b"kept\n"
    assert msgspec.json.decode(events[0]["data"]) == {"attempt": 1, "text": "kept\n"}


async def test_the_console_of_a_job_canceled_in_the_queue_ends_at_once(api: Api) -> None:
    await api.submitted("j")
    position = (await api.ask("POST", f"{WS}/jobs/j/cancel")).json["position"]
    events = await api.events(f"{WS}/jobs/j/logs?follow=true&after={position}", 99)
    assert [one["event"] for one in events] == ["end"]
    assert (await api.ask("GET", f"{WS}/jobs/none/logs")).code == "job.absent"
