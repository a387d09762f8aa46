"""Watching from a browser, and coming back to a stream that had nothing to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.services.gateway_example import WS, Api, beat_often, running_gateway

from treering.adapters.bus import ask
from treering.adapters.nats_accounts import add_publisher, add_subscriber, remove_subscriber
from treering.client.sse import Parser
from treering.testing.nats import RunningNats
from treering_services.gateway import subscriber, tickets
from treering_services.gateway.call import BODY_BYTES_MAX

pytestmark = pytest.mark.anyio
STREAM = {"accept": "text/event-stream"}


@pytest.fixture
async def api(nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    beat_often(monkeypatch)
    async with running_gateway(nats_server) as running:
        yield running


async def created(api: Api, name: str) -> int:
    return int((await api.ask("POST", f"{WS}/experiments/{name}/create")).json["position"])


def read_until_id(api: Api, path: str, position: int) -> str:
    """The first id at ``position`` or behind that comes on a stream without events."""
    with api.connection() as connection:
        connection.request("GET", path, headers={**STREAM, **api.authorization(None)})
        response, parser = connection.getresponse(), Parser()
        while not parser.last_id or int(parser.last_id.rpartition(":")[2]) < position:
            assert list(parser.feed(response.readline())) == []
        return parser.last_id


async def test_the_heartbeat_of_a_filtered_stream_says_how_far_it_is_and_a_client_goes_on_there(api: Api) -> None:
    position = await created(api, "e")
    last = await asyncio.to_thread(read_until_id, api, "/v1/events?kind=job", position)
    await created(api, "f")
    found = await api.events("/v1/events?kind=experiment", 1, {"last-event-id": last})
    assert msgspec.json.decode(found[0]["data"])["subject"] == "experiment/f"


async def test_who_begins_now_is_told_at_once_where_that_is_and_misses_nothing_when_it_comes_back(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "HEARTBEAT_SECONDS", 3600.0)
    last = await asyncio.to_thread(read_until_id, api, "/v1/events?since=now", 1)
    await created(api, "meanwhile")
    found = await api.events("/v1/events?since=now", 1, {"last-event-id": last})
    assert msgspec.json.decode(found[0]["data"])["subject"] == "experiment/meanwhile"


async def test_json_lines_say_on_request_how_far_they_are(api: Api) -> None:
    position = await created(api, "e")

    def last_said(query: str) -> bytes:
        with api.connection() as connection:
            path = f"/v1/events?follow=true&kind=job&since={position}{query}"
            connection.request("GET", path, headers=api.authorization(None))
            line: bytes = connection.getresponse().readline()
            return line

    said = msgspec.json.decode(await asyncio.to_thread(last_said, "&heartbeats=true"))
    assert said == {"heartbeat": str(position)}
    assert (await api.ask("GET", f"/v1/events?since={said['heartbeat']}")).status == 200
    assert await asyncio.to_thread(last_said, "") == b"\n"


def test_the_id_of_an_event_that_broke_off_is_not_taken_for_seen() -> None:
    parser = Parser("4.0")
    assert list(parser.feed(b": still here\nid: 5\n\nevent: job.queued\nid: 6.0\ndata: {}")) == []
    assert parser.last_id == "5"


async def test_a_browser_watches_with_a_ticket_and_gets_plain_messages(api: Api) -> None:
    position = await created(api, "e")
    ticket = (await api.ask("POST", "/v1/events/ticket", {"ws": "w"})).json["ticket"]
    path = f"/v1/events?plain=true&since={position - 1}&ticket={ticket}"
    for _ in range(2):  # as a browser does that lost its connection
        (message,) = await api.events(path, 1, {"authorization": ""})
        assert set(message) == {"id", "data"}
        assert msgspec.json.decode(message["data"])["type"] == "experiment.created"


async def test_a_ticket_is_good_for_the_events_of_its_workspace_and_for_nothing_else(api: Api) -> None:
    ticket = (await api.ask("POST", "/v1/events/ticket", {"ws": "w"})).json["ticket"]
    for path in ("/v1/status", "/v1/stuck", f"{WS}/events", f"{WS}/experiments"):
        assert (await api.ask("GET", f"{path}?ticket={ticket}", token="")).status in (401, 405), path
    other = await api.ask("GET", f"/v1/events?ws=main&ticket={ticket}", token="")
    assert (other.status, other.code) == (403, "auth.forbidden")
    assert (await api.ask("GET", "/v1/events?ticket=made-up", token="")).code == "auth.ticket"
    assert (await api.ask("POST", "/v1/events/ticket", {}, token="")).status == 401


async def test_a_ticket_ends_with_its_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "TICKET_SECONDS", 0)
    ticket = (await api.ask("POST", "/v1/events/ticket")).json["ticket"]
    assert (await api.ask("GET", f"/v1/events?ticket={ticket}", token="")).code == "auth.ticket"


async def test_one_token_leaves_tickets_for_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "TICKETS_MAX", 8)
    made, _ = await add_subscriber(api.nats.home, "greedy", "w")
    answers = [await api.ask("POST", "/v1/events/ticket", {"ws": "w"}, token=made.token) for _ in range(5)]
    assert [answer.status for answer in answers] == [201] * 4 + [429] and answers[-1].code == "caller.busy"
    assert (await api.ask("POST", "/v1/events/ticket", {"ws": "w"})).status == 201


async def test_the_ticket_of_a_subscriber_ends_with_the_subscriber(api: Api) -> None:
    made, _ = await add_subscriber(api.nats.home, "page", "w")
    foreign = await api.ask("POST", "/v1/events/ticket", {"ws": "main"}, token=made.token)
    answer = await api.ask("POST", "/v1/events/ticket", token=made.token)
    path = f"/v1/events?kind=job&ticket={answer.json['ticket']}"
    assert foreign.status == 403 and (await api.ask("GET", path, token="")).status == 200
    await remove_subscriber(api.nats.home, "page")
    assert (await api.ask("GET", path, token="")).status in (401, 404)


@pytest.mark.parametrize(("path", "status"), [
    ("//\\evil.example", 404), ("///\\evil.example/x", 404), ("//\\/evil.example", 404), ("//v1//status", 308),
])  # fmt: skip
async def test_only_a_plain_path_is_ever_redirected_to(api: Api, path: str, status: int) -> None:
    answer = await api.ask("GET", path)
    assert answer.status == status and answer.headers.get("location", "/v1//status") == "/v1//status"


def batch_of(size_bytes: int, before: bytes, after: bytes) -> bytes:
    """``before``, an event that fills the room, ``after``."""
    head = before + b'{"id": "1", "source": "s%d", "type": "t.big", "data": "' % len(before)
    tail = b'"}' + after
    return head + b"x" * (size_bytes - len(head) - len(tail)) + tail


async def test_a_request_of_events_may_be_as_large_over_http_as_over_nats(api: Api) -> None:
    await add_publisher(api.nats.home, "ci", "w")
    client = await api.nats.connect("publisher-ci")
    around = b'{"workspace": "w", "events": [', b"]}"
    most = msgspec.json.decode(await ask(client, "pub.ci", batch_of(BODY_BYTES_MAX, *around)))
    assert most["refused"] == 0
    assert (await api.ask("POST", f"{WS}/events", batch_of(BODY_BYTES_MAX, b"", b""))).status == 200
    more = msgspec.json.decode(await ask(client, "pub.ci", batch_of(BODY_BYTES_MAX + 1, *around)))
    over_http = await api.ask("POST", f"{WS}/events", batch_of(BODY_BYTES_MAX + 1, b"", b""))
    assert more["code"] == over_http.code == "request.too_large"
    assert str(BODY_BYTES_MAX) in more["detail"] and str(BODY_BYTES_MAX) in over_http.json["detail"]
