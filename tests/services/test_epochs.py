"""After a restore: whoever comes back with an id of the log before is told so, in every door, and misses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import WS, Api, beat_often, running_gateway
from tests.services.sink import running_sink
from tests.services.test_event_streams import read_until_id
from tests.services.test_webhooks import create, experiments, running_notifier, standing

from treering.adapters.bus import ask
from treering.adapters.delivery_store import DeliveryStore, Letter
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_epochs import read_lineage, record_epoch
from treering.adapters.nats_accounts import add_subscriber
from treering.adapters.nats_credentials import keys_folder
from treering.client import AsyncClient, Client
from treering.client.errors import OtherLog
from treering.client.nats_events import nats_events
from treering.kernel.epochs import read_id
from treering.testing.nats import RunningNats
from treering.views.selection import Selection
from treering_services.gateway import hub, subscriber

pytestmark = pytest.mark.anyio
SSE = {"accept": "text/event-stream"}


@pytest.fixture
async def api(nats_server: RunningNats, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    beat_often(monkeypatch)
    async with running_gateway(nats_server) as running:
        yield running


async def restored(api: Api, at: int) -> str:
    """The log, which has gone on from a backup taken at ``at``; the name of its epoch."""
    client = await api.nats.connect("bootstrap")
    epoch = await record_epoch(JetStreamLog(client), after=at)
    await experiments(api, 91, 92, 93)
    return epoch


def url(api: Api) -> str:
    return f"http://127.0.0.1:{api.port}"


async def over_http(api: Api, since: str) -> dict[str, Any]:
    """What all doors of HTTP say alike."""
    said = []
    for path, headers in (
        (f"/v1/events?since={since}", SSE), (f"/v1/events?since={since}&kind=experiment", {}),
        ("/v1/events", {**SSE, "last-event-id": since}), (f"/v1/events?since={since}&follow=true", {}),
    ):  # fmt: skip
        answer = await api.ask("GET", path, headers=headers)
        assert answer.status == 410, (path, answer.body)
        said.append(answer.json)
    return dict(said[0])


async def over_nats(api: Api, since: str) -> dict[str, Any]:
    client = await api.nats.connect("subscriber-ours")
    body = await ask(client, "sub.ours", msgspec.json.encode({"since": since}))
    return dict(msgspec.json.decode(body))


async def in_python(api: Api, since: str) -> dict[str, Any]:
    def read() -> None:
        next(Client(url(api), api.tokens.owner).events(since=since))

    with pytest.raises(OtherLog) as refused:
        await asyncio.to_thread(read)
    return said_by(refused.value)


async def in_a_loop(api: Api, since: str) -> dict[str, Any]:
    with pytest.raises(OtherLog) as refused:
        await anext(AsyncClient(url(api), api.tokens.owner).events(since=since))
    return said_by(refused.value)


async def in_python_over_nats(api: Api, since: str) -> dict[str, Any]:
    file = keys_folder(api.nats.home) / "subscriber-ours.json"
    with pytest.raises(OtherLog) as refused:
        await anext(nats_events(api.nats.urls[0], file, since=since))
    return said_by(refused.value)


def said_by(error: OtherLog) -> dict[str, Any]:
    return {"code": error.code, "epoch": error.epoch, "head": error.head, "common": error.common}


@pytest.mark.parametrize("door", [over_http, over_nats, in_python, in_a_loop, in_python_over_nats])
async def test_who_has_seen_what_a_restore_took_away_is_told_where_both_logs_agree(
    api: Api, door: Callable[[Api, str], Any]
) -> None:
    await add_subscriber(api.nats.home, "ours", "w")
    await experiments(api, 1)
    at = int((await api.ask("GET", "/v1/status")).json["head"])
    epoch = await restored(api, at)
    for since in (f"{at + 2}.0", f"1:{at + 2}.0", f"{at + 1}", f"{epoch}:{at + 99}.0", f"{at}-zz99:{at + 3}.0"):
        answer = await door(api, since)
        head = int((await api.ask("GET", "/v1/status")).json["head"])
        common = head if since.startswith(epoch) else at
        wanted = {"code": "position.other_log", "epoch": epoch, "head": head, "common": common}
        assert {name: answer[name] for name in wanted} == wanted, since


async def test_an_id_of_what_both_logs_hold_is_gone_on_behind_and_new_ids_name_the_epoch(api: Api) -> None:
    at = int((await api.ask("GET", "/v1/status")).json["head"])
    epoch = await restored(api, at)
    ids = [f"{epoch}:{at + number}.0" for number in (2, 3, 4)]
    for since in (str(at), f"{at}.0", f"1:{at}", f"{epoch}:{at}", f"{at}-other9:{at}.0"):
        found = await api.events(f"/v1/events?kind=experiment&since={since}", 3)
        assert [one["id"] for one in found] == ids
        assert [msgspec.json.decode(one["data"])["id"] for one in found] == ids
    assert [one["id"] for one in await api.events("/v1/events", 1)] == ["1.0"], "as it was before"


async def test_pages_and_heartbeats_and_python_carry_the_epoch_from_one_to_the_next(api: Api) -> None:
    at = int((await api.ask("GET", "/v1/status")).json["head"])
    epoch = await restored(api, at)
    page = await api.ask("GET", f"/v1/events?since={at}&limit=2")
    assert page.headers["treering-next"] == f"{epoch}:{at + 2}"
    rest = await api.ask("GET", f"/v1/events?since={page.headers['treering-next']}")
    assert len(rest.body.splitlines()) == 2 and "treering-next" not in rest.headers
    last = await asyncio.to_thread(read_until_id, api, "/v1/events?kind=job", at + 4)
    assert last == f"{epoch}:{at + 4}"
    with Client(url(api), api.tokens.owner) as client:
        read = await asyncio.to_thread(lambda: list(client.events(since=at, follow=False)))
    assert [read_id(event.place) for event in read] == [read_id(event.id) for event in read]
    assert {event.epoch for event in read} == {epoch}


async def test_a_browser_watches_a_restored_log_with_its_ticket_and_comes_back(api: Api) -> None:
    at = int((await api.ask("GET", "/v1/status")).json["head"])
    epoch = await restored(api, at)
    ticket = (await api.ask("POST", "/v1/events/ticket", {"ws": "w"})).json["ticket"]
    path, nobody = f"/v1/events?plain=true&ticket={ticket}", {"authorization": ""}
    (first,) = await api.events(f"{path}&since={epoch}:{at + 1}", 1, nobody)
    later = await api.events(path, 2, {**nobody, "last-event-id": first["id"]})
    second = next(one for one in later if "data" in one)  # a heartbeat may come before it
    assert [first["id"], second["id"]] == [f"{epoch}:{at + 2}.0", f"{epoch}:{at + 3}.0"]


async def test_the_status_and_the_events_say_which_epoch_it_is(api: Api) -> None:
    assert (await api.ask("GET", "/v1/status")).json["epoch"] == "1"
    at = int((await api.ask("GET", "/v1/status")).json["head"])
    epoch = await restored(api, at)
    assert (await api.ask("GET", "/v1/status")).json["epoch"] == epoch
    (begun,) = await api.events("/v1/events?kind=installation&type=installation.epoch_begun", 1)
    data = msgspec.json.decode(begun["data"])["data"]
    assert data == {"type": "installation.epoch_begun", "epoch": epoch, "after": at, "previous": "1"}
    assert (await read_lineage(api.reader.projector.log)).current == epoch


async def test_a_webhook_goes_on_where_both_logs_agree_and_says_so(api: Api) -> None:
    async with running_sink() as sink:
        async with running_notifier(api):
            await create(api, sink, kind="experiment")
            await experiments(api, 1, 2, 3)
            await sink.until(lambda: len(sink.got) == 3)
            position = (await standing(api))["position"]
        # When the log is put back to where the first of them had happened, and others happen in the same place,
        store = DeliveryStore(api.home.deliveries)
        store.put("dead", ("w", "hook"), [Letter(position - 1, 0, 8), Letter(position - 2, 0, 8)])
        store.close()
        epoch = await restored(api, position - 2)
        async with running_notifier(api):
            # then it is told of those behind that, under ids of the new epoch; what was dead is gone with its log.
            await sink.until(lambda: len(sink.got) >= 8)
            known = await standing(api)
            dead = (await api.ask("GET", f"{WS}/webhooks/hook/dead")).json["items"]
    told = [one.id for one in sink.got[3:]]
    assert set(told) == {f"{epoch}:{position + one}.0" for one in (-1, 0, 2, 3, 4)}
    assert [one["id"] for one in dead] == [f"{position - 2}.0"]
    assert f"went on behind {position - 2}, in epoch {epoch}" in known["note"]


async def test_a_webhook_begins_and_is_replayed_behind_an_id_of_this_log_only(api: Api) -> None:
    at = int((await api.ask("GET", "/v1/status")).json["head"])
    epoch = await restored(api, at)
    async with running_notifier(api), running_sink() as sink:
        for since in (f"{at + 1}.0", f"1:{at + 1}", at + 100):
            answer = await api.ask("POST", f"{WS}/webhooks", {"name": "a", "url": sink.url, "since": since})
            assert (answer.status, answer.json["common"]) == (410, at if since != at + 100 else at + 4)
        await create(api, sink, kind="experiment", since=f"{epoch}:{at + 2}.0")
        await sink.until(lambda: len(sink.got) == 2)
        body = {"since": f"{epoch}:{at + 3}.0", "request": "again"}
        assert (await api.ask("POST", f"{WS}/webhooks/hook/replay", body)).status == 200
        await sink.until(lambda: len(sink.got) == 3)


async def test_a_stream_that_is_open_while_the_log_goes_back_ends_and_its_id_is_judged(api: Api) -> None:
    await experiments(api, 1)
    position = int((await api.ask("GET", "/v1/status")).json["head"])
    ring = hub.Hub(JetStreamLog(api.clients["gateway"]), api.reader.feed)
    await ring.start()
    ring.position = position
    chunks = subscriber.Subscriber(ring, Selection(), subscriber.Start(position)).chunks()
    lineage = ring.lineage.with_epoch(f"{position - 2}-zz", position - 2)
    asyncio.get_running_loop().call_later(0.05, lambda: ring.go_back(position - 2, lineage))
    assert await anext(chunks, b"the end") in (b"", b"the end") and await anext(chunks, b"the end") == b"the end"


async def test_a_position_that_an_answer_gave_is_of_this_log_and_says_so(api: Api) -> None:
    at = int((await api.ask("GET", "/v1/status")).json["head"])
    epoch = await restored(api, at)
    made = int((await api.ask("POST", f"{WS}/experiments/last/create")).headers["treering-position"])
    (found,) = await api.events(f"/v1/events?kind=experiment&since=this:{made - 1}", 1)
    assert found["id"] == f"{epoch}:{made}.0"
    assert (await api.ask("GET", f"/v1/events?since=this:{made + 1}")).code == "position.other_log"
