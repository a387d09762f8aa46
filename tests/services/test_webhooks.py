"""Webhooks from end to end: gateway, notifier, and sinks that behave well or badly."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from tests.services.gateway_example import SPEC, WS, Api, running_gateway
from tests.services.sink import OK, Delivery, Sink, running_sink

from treering.kernel.service import Service
from treering.testing.nats import RunningNats
from treering_services.base import ServiceBase, StatesReader
from treering_services.notifier import service as notifier
from treering_services.notifier.desk import Pauses

pytestmark = pytest.mark.anyio
QUICK = Pauses(first_seconds=0.02, factor=2.0)  # grows without end: no test outlasts 20 attempts
WAIT_SECONDS = 60.0
BUSY = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\nbusy"


@asynccontextmanager
async def running_notifier(
    api: Api, allowed: tuple[str, ...] = ("127.0.0.1",), reader: StatesReader | None = None
) -> AsyncIterator[Service]:
    base = ServiceBase(api.home, api.nats.urls)
    service = Service(
        "notifier", lambda started: notifier.run(base, reader or api.reader, started, allowed=allowed, pauses=QUICK)
    )
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def create(api: Api, sink: Sink, name: str = "hook", **more: Any) -> str:
    answer = await api.ask("POST", f"{WS}/webhooks", {"name": name, "url": sink.url, **more})
    assert answer.status == 201, answer.body
    return str(answer.json["secret"])


async def experiments(api: Api, *numbers: int) -> None:
    for number in numbers:
        assert (await api.ask("POST", f"{WS}/experiments/e{number}/create")).status == 201


async def standing(api: Api, name: str = "hook") -> Any:
    """How far it is; on a busy machine the notifier's answer may be late, which is 503 and asked again."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (reply := await api.ask("GET", f"{WS}/webhooks/{name}/delivery")).status == 503:
            pass
    return reply.json


async def until_dead(api: Api, count: int, name: str = "hook") -> list[dict[str, Any]]:
    async with asyncio.timeout(WAIT_SECONDS):
        while (await standing(api, name))["dead"] < count:
            pass
    items: list[dict[str, Any]] = (await api.ask("GET", f"{WS}/webhooks/{name}/dead")).json["items"]
    return items


async def test_a_webhook_is_told_of_its_events_as_signed_cloud_events(api: Api) -> None:
    async with running_notifier(api), running_sink() as sink:
        secret = await create(api, sink, kind="experiment")
        await experiments(api, 1, 2)
        await api.ask("POST", f"{WS}/computes/c/create", {"compute_type": "nodes"})
        await experiments(api, 3)
        await sink.until(lambda: len(sink.got) == 3)
    assert secret.startswith("whsec_") and all(one.signed_with(secret) for one in sink.got)
    events = [one.json for one in sorted(sink.got, key=lambda one: int(one.id.partition(".")[0]))]
    assert [event["subject"] for event in events] == ["experiment/e1", "experiment/e2", "experiment/e3"]
    assert {one.headers["content-type"] for one in sink.got} == {"application/cloudevents+json"}
    assert all(one.json["specversion"] == "1.0" and one.json["id"] == one.id for one in sink.got)


async def test_a_published_event_is_delivered_with_all_its_attributes(api: Api) -> None:
    said = {
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "order", "subject": "orders/17", "tenant": "a",
        "attempt": 3, "datacontenttype": "image/png", "data_base64": "AAEC", "dataschema": "https://example.com/order",
    }  # fmt: skip
    async with running_notifier(api), running_sink() as sink:
        await create(api, sink, types=["order"])
        assert (await api.ask("POST", f"{WS}/events", said)).status == 200
        await sink.until(lambda: len(sink.got) == 1)
    assert {name: sink.got[0].json.get(name) for name in said} == said
    assert sink.got[0].headers["content-type"] == "application/cloudevents+json"


async def test_a_webhook_is_told_of_types_that_end_so_and_cannot_be_changed_to_what_never_comes(api: Api) -> None:
    async with running_notifier(api), running_sink() as sink:
        await create(api, sink, types=["*.archived", "experiment.cre*d"], kind="experiment")
        await experiments(api, 1)
        await sink.until(lambda: len(sink.got) == 1)
        changed = await api.ask("POST", f"{WS}/webhooks/hook/update", {"types": ["job.*"]})
        assert (changed.status, changed.code) == (400, "filter.impossible")
        assert (await api.ask("POST", f"{WS}/webhooks/hook/update", {"types": ["*.created"]})).status == 200


async def test_the_secret_is_shown_once_and_is_nowhere_in_the_log(api: Api) -> None:
    async with running_notifier(api), running_sink() as sink:
        secret = await create(api, sink)
        again = await api.ask("POST", f"{WS}/webhooks", {"name": "hook", "url": sink.url})
        assert (again.status, again.json["secret"]) == (200, "")
        everything = (await api.ask("GET", "/v1/events")).body + (await api.ask("GET", f"{WS}/webhooks/hook")).body
        rotated = (await api.ask("POST", f"{WS}/webhooks/hook/secret", {"overlap_seconds": 0})).json["secret"]
        await experiments(api, 1)
        await sink.until(lambda: any(one.signed_with(rotated) for one in sink.got))
    assert secret.removeprefix("whsec_").encode() not in everything and rotated != secret
    files = list((api.home.keys / "webhooks").iterdir())
    assert len(files) == 1 and stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert secret.encode() not in files[0].read_bytes()


async def test_what_a_sink_does_not_take_is_tried_again_with_the_same_id(api: Api) -> None:
    answers = iter([BUSY, BUSY])
    async with running_notifier(api), running_sink(lambda _: next(answers, OK)) as sink:
        secret = await create(api, sink, kind="experiment")
        await experiments(api, 1)
        await sink.until(lambda: len(sink.got) == 3)
        async with asyncio.timeout(WAIT_SECONDS):
            while (await standing(api))["delivered"] < 1:
                pass
        state = await standing(api)
    assert len({one.id for one in sink.got}) == 1 and all(one.signed_with(secret) for one in sink.got)
    assert state["retrying"] == state["dead"] == 0


async def test_what_is_given_up_is_a_dead_letter_and_can_be_sent_again(api: Api) -> None:
    healthy = asyncio.Event()
    async with running_notifier(api), running_sink(lambda _: OK if healthy.is_set() else BUSY) as sink:
        await create(api, sink, kind="experiment", attempts_max=2)
        await experiments(api, 1, 2)
        dead = await until_dead(api, 2)
        assert [one["attempts"] for one in dead] == [2, 2] and dead[0]["why"] == "the sink answered 500"
        page = (await api.ask("GET", f"{WS}/webhooks/hook/dead?limit=1")).json
        rest = (await api.ask("GET", f"{WS}/webhooks/hook/dead?limit=9&page={page['next']}")).json
        assert [*page["items"], *rest["items"]] == dead
        healthy.set()
        before = len(sink.got)
        one = await api.ask("POST", f"{WS}/webhooks/hook/redeliver", {"ids": [dead[0]["id"]]})
        assert one.json == {"count": 1}
        await sink.until(lambda: len(sink.got) > before)
        assert sink.got[-1].id == dead[0]["id"]
        assert (await api.ask("POST", f"{WS}/webhooks/hook/redeliver", {})).json == {"count": 1}
        async with asyncio.timeout(WAIT_SECONDS):
            while (await standing(api))["delivered"] < 2:
                pass
        state = await standing(api)
        assert state["dead"] == state["retrying"] == 0
        unknown = await api.ask("POST", f"{WS}/webhooks/hook/redeliver", {"ids": ["1.0"]})
        assert (unknown.status, unknown.code) == (400, "webhook.letter_absent")


GARBAGE: dict[str, bytes | None] = {
    "500": BUSY,
    "hangs": None,
    "redirects inwards": b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
    "no HTTP": b"\x00\xff garbage \r\n\r\n" * 100,
    "hangs up": b"",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000,
    "half an answer": b"HTTP/1.1 200 OK\r\ncontent-len",
    "bad chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
}


async def test_a_sink_that_misbehaves_harms_nobody_else(api: Api) -> None:
    """Each in a webhook of its own, beside one that works; the events of all bad ones end as dead letters."""
    async with running_notifier(api), running_sink() as good, AsyncExitStack() as sinks:
        for number, said in enumerate(GARBAGE.values()):
            sink = await sinks.enter_async_context(running_sink(says(said)))
            await create(api, sink, f"bad{number}", kind="experiment", attempts_max=2, timeout_seconds=1)
        await create(api, good, "good", kind="experiment")
        await experiments(api, *range(12))
        await good.until(lambda: len(good.got) == 12)
        for number, why in enumerate(GARBAGE):
            dead = await until_dead(api, 12, f"bad{number}")
            assert {one["attempts"] for one in dead} == {2}, why
        assert (await standing(api, "good"))["delivered"] == 12


def says(said: bytes | None) -> Callable[[Delivery], bytes | None]:
    return lambda _: said


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/", "http://2130706433/", "http://0x7f000001/", "http://[::1]/", "http://[::ffff:127.0.0.1]/",
     "http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "http://192.168.1.1/", "http://0.0.0.0/",
     "http://[fd00::1]/", "http://[fe80::1]/", "http://[fec0::1]/", "http://[64:ff9b::7f00:1]/", "http://100.64.0.1/", "http://localhost/",
     "http://[2002:7f00:1::]/", "http://224.0.0.1/", "http://127.1/"],
)  # fmt: skip
async def test_an_address_that_is_not_public_is_refused(shared_api: Api, url: str) -> None:
    async with running_notifier(shared_api, allowed=()):
        answer = await shared_api.ask("POST", f"{WS}/webhooks", {"name": "hook", "url": url})
        assert (answer.status, answer.code) == (403, "address.forbidden"), answer.body
        assert (await shared_api.ask("GET", f"{WS}/webhooks/hook")).status == 404


async def test_an_address_is_judged_when_it_is_connected_to_not_only_when_it_is_named(api: Api) -> None:
    """As after a name has been given another address: the webhook was created while 127.0.0.1 was allowed."""
    async with running_sink() as sink:
        async with running_notifier(api):
            await create(api, sink, kind="experiment", attempts_max=2)
        async with running_notifier(api, allowed=("10.0.0.0/8",)):
            await experiments(api, 1)
            dead = await until_dead(api, 1)
            tested = (await api.ask("POST", f"{WS}/webhooks/hook/test")).json
    assert not sink.got and "not a public address" in dead[0]["why"]
    assert not tested["ok"] and tested["status"] == 0


async def test_a_test_is_one_delivery_that_is_no_event(api: Api) -> None:
    async with running_notifier(api), running_sink() as sink:
        secret = await create(api, sink, kind="node")
        head = (await api.ask("GET", "/v1/status")).json["head"]
        tested = (await api.ask("POST", f"{WS}/webhooks/hook/test")).json
        assert tested["ok"] and tested["status"] == 200
        assert sink.got[0].json["type"] == "treering.webhook.test" and sink.got[0].signed_with(secret)
        assert (await api.ask("GET", "/v1/status")).json["head"] == head
        assert (await api.ask("POST", f"{WS}/webhooks/none/test")).status == 404


async def test_paused_it_waits_and_resumed_it_gets_what_it_missed(api: Api) -> None:
    async with running_notifier(api), running_sink() as sink:
        await create(api, sink, kind="experiment")
        await api.ask("POST", f"{WS}/webhooks/hook/pause")
        await experiments(api, 1, 2)
        assert (await api.ask("POST", f"{WS}/webhooks/hook/test")).code == "webhook.not_active"
        assert not sink.got
        await api.ask("POST", f"{WS}/webhooks/hook/resume")
        await sink.until(lambda: len(sink.got) == 2)


async def test_a_replay_sends_everything_from_a_position_again(api: Api) -> None:
    async with running_notifier(api), running_sink() as sink:
        await create(api, sink, kind="experiment", since=0)
        await experiments(api, 1, 2, 3)
        await sink.until(lambda: len(sink.got) == 3)
        first = min(int(one.id.partition(".")[0]) for one in sink.got)
        body = {"since": first, "request": "r1"}
        assert (await api.ask("POST", f"{WS}/webhooks/hook/replay", body)).status == 200
        await sink.until(lambda: len(sink.got) == 5)
        assert (await api.ask("POST", f"{WS}/webhooks/hook/replay", body)).json["changed"] is False


async def test_where_it_is_survives_a_restart_of_the_notifier(api: Api) -> None:
    """Nothing is lost while it is away; what was delivered before is not delivered again."""
    async with running_sink() as sink:
        async with running_notifier(api):
            await create(api, sink, kind="experiment")
            await experiments(api, 1, 2)
            await sink.until(lambda: len(sink.got) == 2)
            async with asyncio.timeout(WAIT_SECONDS):
                while (await standing(api))["delivered"] < 2:
                    pass
        await experiments(api, 3)
        async with running_notifier(api):
            await experiments(api, 4)
            await sink.until(lambda: len(sink.got) == 4)
    assert len({one.id for one in sink.got}) == 4


async def test_dead_letters_and_retries_survive_a_restart(api: Api) -> None:
    healthy = asyncio.Event()
    async with running_sink(lambda _: OK if healthy.is_set() else BUSY) as sink:
        async with running_notifier(api):
            await create(api, sink, kind="experiment", attempts_max=1)
            await create(api, sink, "patient", kind="experiment", attempts_max=20)
            await experiments(api, 1)
            await until_dead(api, 1)
        healthy.set()
        before = len(sink.got)
        async with running_notifier(api):
            assert len(await until_dead(api, 1)) == 1
            await sink.until(lambda: len(sink.got) > before)
            async with asyncio.timeout(WAIT_SECONDS):
                while (await standing(api, "patient"))["delivered"] < 1:
                    pass


async def test_deleted_it_gets_nothing_and_its_secret_is_gone(api: Api) -> None:
    async with running_notifier(api), running_sink() as sink, running_sink() as other:
        await create(api, sink, kind="experiment")
        await api.ask("POST", f"{WS}/webhooks/hook/delete")
        await create(api, other, "other", kind="experiment")
        await experiments(api, 1)
        await other.until(lambda: len(other.got) == 1)
        assert not sink.got and len(list((api.home.keys / "webhooks").iterdir())) == 1
        assert (await api.ask("GET", f"{WS}/webhooks/hook/delivery")).status == 404
        await create(api, sink, kind="experiment")
        await experiments(api, 2)
        await sink.until(lambda: len(sink.got) == 1)
        assert sink.got[0].json["subject"] == "experiment/e2"


async def test_event_grid_sinks_get_azures_own_event_types(api: Api) -> None:
    async with running_notifier(api), running_sink() as sink:
        await create(api, sink, body="eventgrid")
        await api.ask("POST", f"{WS}/jobs", {"name": "j", "spec": {**SPEC, "experiment": "digits"}})
        await api.ask("POST", f"{WS}/jobs/j/cancel")
        await sink.until(lambda: len(sink.got) == 3)
    events = sorted((one.json[0] for one in sink.got), key=lambda one: [int(x) for x in one["id"].split(".")])
    prefix = "Microsoft.MachineLearningServices."
    assert [one["eventType"].removeprefix(prefix) for one in events] == ["RunStatusChanged"] * 3
    assert [one["data"].get("runStatus") for one in events[:3]] == ["Queued", "CancelRequested", "Canceled"]
    assert events[0]["subject"] == "experiments/digits/runs/j" and events[0]["data"]["experimentName"] == "digits"
    assert {"id", "topic", "subject", "eventType", "eventTime", "data", "dataVersion", "metadataVersion"} == {
        *events[0]
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "http://127.0.0.1/"}, "request.malformed"),
        ({"name": "a b", "url": "http://127.0.0.1/"}, "name.invalid"),
        ({"name": "a", "url": "ftp://127.0.0.1/"}, "webhook.url_invalid"),
        ({"name": "a", "url": "http://u:p@127.0.0.1/"}, "webhook.url_invalid"),
        ({"name": "a", "url": "http://127.0.0.1/", "secret": "whsec_short"}, "webhook.secret_invalid"),
        ({"name": "a", "url": "http://127.0.0.1/", "kind": "dog"}, "kind.unknown"),
        ({"name": "a", "url": "http://127.0.0.1/", "resource": "x"}, "webhook.invalid"),
        ({"name": "a", "url": "http://127.0.0.1/", "body": "xml"}, "request.malformed"),
        ({"name": "a", "url": "http://127.0.0.1/", "since": -1}, "request.malformed"),
        ({"name": "a", "url": "http://127.0.0.1/", "attempts_max": 1000}, "webhook.invalid"),
    ],
)
async def test_a_webhook_that_makes_no_sense_is_refused_and_leaves_no_secret(
    shared_api: Api, body: dict[str, Any], code: str
) -> None:
    async with running_notifier(shared_api):
        answer = await shared_api.ask("POST", f"{WS}/webhooks", body)
        assert answer.code == code and answer.status < 500
        assert not list((shared_api.home.keys / "webhooks").iterdir())


async def test_a_secret_of_the_users_own_is_used(api: Api) -> None:
    own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    async with running_notifier(api), running_sink() as sink:
        assert await create(api, sink, kind="experiment", secret=own) == own
        await experiments(api, 1)
        await sink.until(lambda: len(sink.got) == 1)
        assert sink.got[0].signed_with(own)


def test_the_published_example_of_standard_webhooks_signs_the_same() -> None:
    """The test vector of the specification's reference libraries."""
    from treering.kernel.webhook_signature import key_of, signature_headers

    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature_headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert Delivery("/", signed, b'{"test": 2432232314}').signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
