"""MLflow's webhooks over real HTTP and NATS: its six calls, and what its sinks are sent."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.services.gateway_example import Api, Reply, running_gateway
from tests.services.sink import OK, Delivery, Sink, running_sink
from tests.services.test_webhooks import BUSY, WAIT_SECONDS, running_notifier

from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio

API = "/api/2.0/mlflow"
HOOKS, RM, MV = f"{API}/webhooks", f"{API}/registered-models", f"{API}/model-versions"
OURS = "/v1/workspaces/main/webhooks"
PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}
INVALID = "INVALID_PARAMETER_VALUE"
EXAMPLE_URL = "https://93.184.215.14/hook"  # it is never connected to


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running, with_notifier(running):
        yield running


@pytest.fixture(scope="module")
async def shared(shared_api: Api) -> AsyncIterator[Api]:
    """For tests that leave nothing behind."""
    async with with_notifier(shared_api):
        yield shared_api


@asynccontextmanager
async def with_notifier(api: Api) -> AsyncIterator[None]:
    await api.ask("POST", "/v1/workspaces/main/create")
    async with running_notifier(api):
        yield


async def done(api: Api, method: str, path: str, body: Any = None) -> Any:
    answer = await api.ask(method, path, body)
    assert answer.status == 200, answer.body
    return answer.json


def events(*names: str) -> list[dict[str, str]]:
    return [dict(zip(("entity", "action"), name.upper().split("."), strict=True)) for name in names]


async def hook(api: Api, url: str, *names: str, **more: Any) -> dict[str, Any]:
    body = {"name": "hook", "url": url, "events": events(*names), **more}
    made: dict[str, Any] = (await done(api, "POST", HOOKS, body))["webhook"]
    return made


def signature(delivery: Delivery, secret: str) -> str:
    """As MLflow documents it, without our code."""
    signed = f"{delivery.headers['x-mlflow-delivery-id']}.{delivery.headers['x-mlflow-timestamp']}.".encode()
    made = hmac.new(secret.encode(), signed + delivery.body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(made).decode()}"


def told(sink: Sink) -> list[tuple[str, Any]]:
    """What the sink was told, in the order of the log."""
    found = sorted(sink.got, key=lambda one: tuple(map(int, one.headers["x-mlflow-delivery-id"].split("."))))
    return [(f"{one.json['entity']}.{one.json['action']}", one.json["data"]) for one in found]


def refused(answer: Reply, status: int, code: str, words: str) -> None:
    assert (answer.status, answer.json["error_code"]) == (status, code), answer.body
    assert words in answer.json["message"]


async def registry_work(api: Api, name: str, *tags: dict[str, str]) -> str:
    """One of everything that MLflow tells of, and some of what it does not; the run of the version."""
    run = await done(api, "POST", f"{API}/runs/create", {"experiment_id": "0"})
    run_id = str(run["run"]["info"]["run_id"])
    await done(api, "POST", f"{RM}/create", {"name": name, "description": "d", "tags": [*tags]})
    await done(api, "POST", f"{RM}/set-tag", {"name": name, "key": "t", "value": "1"})
    version = {
        "name": name,
        "source": "dummy-source" if tags else "s3://b/x",
        "run_id": run_id,
        "tags": [*tags, {"key": "a", "value": "b"}],
    }
    await done(api, "POST", f"{MV}/create", version)
    one = {"name": name, "version": "1"}
    await done(api, "POST", f"{MV}/set-tag", {**one, "key": "k", "value": "v"})
    await done(api, "DELETE", f"{MV}/delete-tag", {**one, "key": "k"})
    await done(api, "POST", f"{RM}/alias", {**one, "alias": "champion"})
    await done(api, "DELETE", f"{RM}/alias", {"name": name, "alias": "champion"})
    await done(api, "DELETE", f"{RM}/delete-tag", {"name": name, "key": "t"})
    return run_id


MODEL_EVENTS = ("registered_model.created", "model_version.created", "model_version_tag.set",
                "model_version_tag.deleted", "model_version_alias.created", "model_version_alias.deleted")  # fmt: skip
PROMPT_EVENTS = ("prompt.created", "prompt_tag.set", "prompt_version.created", "prompt_version_tag.set",
                 "prompt_version_tag.deleted", "prompt_alias.created", "prompt_alias.deleted",
                 "prompt_tag.deleted")  # fmt: skip


async def test_a_sink_is_told_of_the_registry_as_mlflow_tells_it(api: Api) -> None:
    async with running_sink() as sink:
        await hook(api, sink.url, *MODEL_EVENTS, secret="ein Geheimnis \u00fc")
        run_id = await registry_work(api, "a model")  # its key is a digest, its name is not
        await sink.until(lambda: len(sink.got) == 6)
    one = {"name": "a model", "version": "1"}
    assert told(sink) == [
        ("registered_model.created", {"name": "a model", "tags": {}, "description": "d"}),
        ("model_version.created", {**one, "source": "s3://b/x", "run_id": run_id, "tags": {"a": "b"},
                                   "description": None}),
        ("model_version_tag.set", {**one, "key": "k", "value": "v"}),
        ("model_version_tag.deleted", {**one, "key": "k"}),
        ("model_version_alias.created", {**one, "alias": "champion"}),
        ("model_version_alias.deleted", {"name": "a model", "alias": "champion"}),
    ]  # fmt: skip
    for delivery in sink.got:
        assert delivery.headers["x-mlflow-signature"] == signature(delivery, "ein Geheimnis \u00fc")
        assert delivery.headers["content-type"] == "application/json" and "webhook-id" not in delivery.headers
        assert delivery.json["timestamp"].endswith("+00:00")


async def test_a_prompt_is_told_of_as_a_prompt_and_not_as_a_model(api: Api) -> None:
    async with running_sink() as sink, running_sink() as deaf:
        await hook(api, deaf.url, *MODEL_EVENTS)
        await hook(api, sink.url, *PROMPT_EVENTS)
        await registry_work(api, "p", PROMPT, {"key": "mlflow.prompt.text", "value": "Hello {{name}}"})
        await done(api, "POST", f"{RM}/create", {"name": "m"})
        await sink.until(lambda: len(sink.got) == 8)
        await deaf.until(lambda: len(deaf.got) == 1)
    assert [name for name, _ in told(sink)] == list(PROMPT_EVENTS)
    created = dict(told(sink))["prompt_version.created"]
    assert created == {"name": "p", "version": "1", "template": "Hello {{name}}", "tags": {"a": "b"},
                       "description": None}  # fmt: skip
    assert told(deaf) == [("registered_model.created", {"name": "m", "tags": {}, "description": ""})]


async def test_it_is_one_of_our_webhooks_and_its_secret_is_nowhere_in_the_log(api: Api) -> None:
    made = await hook(api, EXAMPLE_URL, "model_version.created", secret="swordfish-7", allow="x")
    again = await hook(api, EXAMPLE_URL, "model_version.created")
    assert made["webhook_id"] != again["webhook_id"] and made["name"] == again["name"] == "hook"
    assert made["status"] == "ACTIVE" and made["events"] == events("model_version.created") and "secret" not in made
    rows = (await api.ask("GET", OURS)).json["items"]
    assert {row["name"] for row in rows} == {made["webhook_id"], again["webhook_id"]}
    assert rows[0]["state"]["body"] == "mlflow" and rows[0]["state"]["types"] == ["model_version.created"]
    assert b"swordfish" not in (await api.ask("GET", "/v1/events")).body
    ours = {"name": "ours", "url": EXAMPLE_URL}
    assert (await api.ask("POST", OURS, ours)).status == 201
    assert (
        await api.ask("POST", OURS, {**ours, "name": "wild", "body": "mlflow", "types": ["prompt_*"]})
    ).status == 201
    page = await done(api, "GET", f"{HOOKS}?max_results=2")
    rest = await done(api, "GET", f"{HOOKS}?max_results=2&page_token={page['next_page_token']}")
    names = [one["name"] for one in [*page["webhooks"], *rest["webhooks"]]]
    assert names == ["wild", "hook", "hook"] and "next_page_token" not in rest
    assert len(page["webhooks"][0]["events"]) == 7
    refused(await api.ask("GET", f"{HOOKS}/ours"), 404, "RESOURCE_DOES_NOT_EXIST", "Webhook with ID ours not found")


async def test_what_a_sink_does_not_take_is_tried_again_and_then_a_dead_letter(api: Api) -> None:
    answers = iter([BUSY, BUSY])
    async with running_sink(lambda _: next(answers, OK)) as sink, running_sink(lambda _: BUSY) as broken:
        await hook(api, sink.url, "registered_model.created")
        dead = await hook(api, broken.url, "registered_model.created")
        await done(api, "POST", f"{RM}/create", {"name": "m"})
        await sink.until(lambda: len(sink.got) == 3)
        async with asyncio.timeout(WAIT_SECONDS):
            while (await api.ask("GET", f"{OURS}/{dead['webhook_id']}/delivery")).json["dead"] < 1:
                pass
    assert len({one.headers["x-mlflow-delivery-id"] for one in sink.got}) == len({one.body for one in sink.got}) == 1
    assert len(broken.got) == 8 and "x-mlflow-signature" not in sink.got[0].headers


async def test_what_is_updated_holds_from_then_on(api: Api) -> None:
    async with running_sink() as first, running_sink() as sink:
        made = await hook(api, first.url, "prompt.created", secret="old", status="DISABLED", description="d")
        assert made["status"] == "DISABLED"
        path = f"{HOOKS}/{made['webhook_id']}"
        untested = (await done(api, "POST", f"{path}/test", {}))["result"]
        assert untested["success"] is False and "not active" in untested["error_message"]
        change = {"name": "other", "url": sink.url, "events": events("registered_model.created"), "secret": "new"}
        changed = (await done(api, "PATCH", path, {**change, "status": "ACTIVE"}))["webhook"]
        assert changed == {**made, "name": "other", "url": sink.url, "events": change["events"], "status": "ACTIVE",
                           "last_updated_timestamp": changed["last_updated_timestamp"]}  # fmt: skip
        assert changed["last_updated_timestamp"] > made["last_updated_timestamp"]
        await done(api, "POST", f"{RM}/create", {"name": "m"})
        await sink.until(lambda: len(sink.got) == 1)
        assert sink.got[0].headers["x-mlflow-signature"] == signature(sink.got[0], "new")
        plain = (await done(api, "PATCH", path, {"secret": "", "description": ""}))["webhook"]
        assert "description" not in plain and plain["name"] == "other"
        result = (await done(api, "POST", f"{path}/test", {}))["result"]
        assert result == {"success": True, "response_status": 200}
        assert "x-mlflow-signature" not in sink.got[1].headers and not first.got
        assert list((api.home.keys / "webhooks").iterdir()) == []
        for number in range(20):  # what was sealed for the next change is not taken for a leftover of the last one
            last = await done(api, "PATCH", path, {"description": f"{number}"})
            last = await done(api, "PATCH", path, {"secret": f"s{number}"})
        await done(api, "POST", f"{path}/test", {})
        assert last["webhook"]["description"] == "19"
        assert sink.got[-1].headers["x-mlflow-signature"] == signature(sink.got[-1], "s19")
        assert len(list((api.home.keys / "webhooks").iterdir())) == 1
        assert await done(api, "DELETE", path) == {}
        refused(await api.ask("GET", path), 404, "RESOURCE_DOES_NOT_EXIST", "not found")
        assert await done(api, "GET", HOOKS) == {}


async def test_a_test_sends_the_example_of_the_event_and_says_what_was_answered(api: Api) -> None:
    said = b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nnot here\n"
    async with running_sink(lambda _: said) as sink:
        made = await hook(api, sink.url, "model_version.created", "model_version_tag.set")
        path = f"{HOOKS}/{made['webhook_id']}/test"
        assert (await done(api, "POST", path))["result"] == {
            "success": False, "response_status": 404, "response_body": "not here\n",
        }  # fmt: skip
        await done(api, "POST", path, {"event": events("model_version_tag.set")[0]})
    assert [one.json["data"]["name"] for one in sink.got] == ["example_model"] * 2
    assert set(sink.got[0].json["data"]) == {"name", "version", "source", "run_id", "tags", "description"}
    assert sink.got[1].json["data"] == {"name": "example_model", "version": "1", "key": "example_key",
                                        "value": "example_value"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [({"name": "-hook"}, "is invalid"), ({"name": "h" * 64}, "is invalid"), ({"name": ""}, "parameter 'name'"),
     ({"url": "   "}, "cannot be empty"), ({"url": "ftp://example.com"}, "Invalid webhook URL scheme: 'ftp'"),
     ({"url": "http://[bad"}, "Invalid webhook URL"), ({"url": "http://u:p@93.184.215.14/"}, "password"),
     ({"url": "http:///x"}, "hostname"), ({"events": []}, "non-empty list"), ({"events": None}, "parameter 'events'"),
     ({"events": events("model_version.exceeded")}, "Invalid action 'exceeded' for entity 'model_version'"),
     ({"events": events("budget_policy.exceeded")}, "no budget policies"), ({"events": "x"}, "parameter 'events'"),
     ({"secret": "s" * 1001}, "a secret is text"), ({"description": "d" * 5000}, "more than 4096"),
     ({"status": "ASLEEP"}, "parameter 'status'"), ({"url": "http://10.0.0.1/"}, "not a public address"),
     ({"url": "http://169.254.169.254/"}, "not a public address"),
     ({"url": "http://93.184.215.14/hook"}, "Invalid webhook URL scheme: 'http'. Allowed schemes are: https.")],
)  # fmt: skip
async def test_what_cannot_be_is_refused_and_leaves_nothing(shared: Api, change: dict[str, Any], words: str) -> None:
    body = {"name": "hook", "url": EXAMPLE_URL, "events": events("prompt.created"), "secret": "s", **change}
    answer = await shared.ask("POST", HOOKS, body)
    assert (answer.status, answer.json["error_code"]) == (400, INVALID), answer.body
    assert words in answer.json["message"] and await done(shared, "GET", HOOKS) == {}
    assert not list((shared.home.keys / "webhooks").glob("*"))


async def test_a_webhook_is_not_moved_to_an_address_that_it_could_not_be_made_with(shared: Api) -> None:
    id = (await hook(shared, EXAMPLE_URL, "prompt.created"))["webhook_id"]
    for url, words in (
        ("http://93.184.215.14/hook", "Allowed schemes are: https"),
        ("https://10.0.0.1/", "non-public"),
    ):
        answer = await shared.ask("PATCH", f"{HOOKS}/{id}", {"webhook_id": id, "url": url})
        refused(answer, 400, INVALID, words)
    assert (await done(shared, "GET", f"{HOOKS}/{id}"))["webhook"]["url"] == EXAMPLE_URL
    await done(shared, "DELETE", f"{HOOKS}/{id}")


@pytest.mark.parametrize("field", ["name", "url", "description", "secret"])
async def test_half_a_character_is_refused_wherever_it_stands(shared: Api, field: str) -> None:
    body = b'{"name": "h", "url": "https://93.184.215.14/", "events": [{"entity": "PROMPT", "action": "CREATED"}], '
    refused(
        await shared.ask("POST", HOOKS, body + f'"{field}": "\\ud800"}}'.encode()), 400, INVALID, "half a character"
    )
    refused(
        await shared.ask("POST", HOOKS, body + f'"x\\ud800": "{field}"}}'.encode()), 400, INVALID, "half a character"
    )
