"""The path of a webhook's address is a secret: it is delivered to, and neither the log nor a list has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.services.gateway_example import WS, Api, running_gateway
from tests.services.mlflow_example import BASE, Mlflow
from tests.services.sink import running_sink
from tests.services.test_no_secret_in_the_record import kept, told
from tests.services.test_webhooks import experiments, running_notifier

from treering.adapters.webhook_secrets import webhook_secrets
from treering.domain.webhook_messages import CreateWebhook
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
HOOK = f"{WS}/webhooks/hook"
TOKEN = "T0canary0B/x"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


def sealed(api: Api) -> list[Path]:
    return list((api.home.keys / "values").glob("webhook-*.sealed"))


async def new(api: Api, url: str, name: str = "hook") -> int:
    body = {"name": name, "url": url, "kind": "experiment"}
    return (await api.ask("POST", f"{WS}/webhooks", body)).status


async def test_the_address_is_delivered_to_and_only_its_host_is_shown(api: Api) -> None:
    async with running_sink() as sink, running_notifier(api):
        host = sink.url.rsplit("/", 1)[0]
        assert await new(api, f"{host}/services/{TOKEN}?sig={TOKEN}") == 201
        await experiments(api, 1)
        await sink.until(lambda: len(sink.got) == 1)
        assert sink.got[0].path == f"/services/{TOKEN}?sig={TOKEN}"
        shown = await api.ask("GET", HOOK)
        assert shown.json["state"]["url"] == host and "warning" not in shown.json
        everything = shown.body + await kept(Mlflow(api)) + await told(Mlflow(api))
        assert TOKEN.encode() not in everything and host.encode() in everything


async def test_an_address_is_sealed_anew_when_it_changes_and_removed_with_its_webhook(api: Api) -> None:
    async with running_sink() as sink, running_notifier(api):
        host = sink.url.rsplit("/", 1)[0]
        assert [await new(api, f"{host}/first") for _ in range(2)] == [201, 200]
        assert await new(api, f"{host}/another") == 409
        first = sealed(api)
        assert len(first) == 1
        for url, changed in ((f"{host}/first", False), (f"{host}/second", True)):
            answer = await api.ask("POST", f"{HOOK}/update", {"url": url})
            assert answer.json["changed"] is changed and len(sealed(api)) == 1
        assert sealed(api) != first
        # Another change with the same address keeps one that can be opened.
        await api.ask("POST", f"{HOOK}/update", {"url": f"{host}/second", "description": "d"})
        assert (await api.ask("POST", f"{HOOK}/test")).json["ok"] and sink.got[-1].path == "/second"
        await api.ask("POST", f"{HOOK}/update", {"description": "e"})
        assert (await api.ask("POST", f"{HOOK}/test")).json["ok"] and len(sealed(api)) == 1
        await api.ask("POST", f"{HOOK}/delete")
        assert sealed(api) == []


async def test_mlflow_clients_see_the_whole_of_their_address(api: Api) -> None:
    async with running_notifier(api):
        url = f"https://127.0.0.1:9/{TOKEN}"
        new = {"name": "m", "url": url, "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}]}
        made = (await api.ask("POST", f"{BASE}/webhooks", new)).json["webhook"]
        assert made["url"] == url and TOKEN.encode() not in await kept(Mlflow(api))
        changed = {"url": f"{url}/2"}
        answer = await api.ask("PATCH", f"{BASE}/webhooks/{made['webhook_id']}", changed)
        assert answer.json["webhook"]["url"] == f"{url}/2" and len(sealed(api)) == 1
        await api.ask("DELETE", f"{BASE}/webhooks/{made['webhook_id']}")
        assert sealed(api) == []


async def test_mlflow_clients_resume_no_webhook_that_could_not_sign(api: Api) -> None:
    async with running_notifier(api):
        new = {"name": "m", "url": "https://127.0.0.1:9", "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}]}
        made = (await api.ask("POST", f"{BASE}/webhooks", {**new, "secret": "s" * 16, "status": "DISABLED"})).json
        for path in (api.home.keys / "webhooks").iterdir():
            path.unlink()
        answer = await api.ask("PATCH", f"{BASE}/webhooks/{made['webhook']['webhook_id']}", {"status": "ACTIVE"})
        assert answer.status == 409 and "rotate-secret" in answer.json["message"]


async def test_a_webhook_of_an_earlier_release_goes_on_and_is_sealed_when_its_address_is_said_again(api: Api) -> None:
    async with running_sink() as sink:
        webhook_secrets(api.home).put("w.old.1", b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        old = CreateWebhook(sink.url, kind="experiment", secret="1")
        await api.send_as("gateway", Address("w", "webhook", "old"), old)
        async with running_notifier(api):
            await experiments(api, 1)
            await sink.until(lambda: len(sink.got) == 1)
            again = {"name": "old", "url": sink.url, "kind": "experiment"}
            answer = await api.ask("POST", f"{WS}/webhooks", again)
            assert (answer.status, answer.json["secret"]) == (200, "") and sealed(api) == []
            for other in ({"url": f"{sink.url}/2"}, {"kind": "job"}):
                assert (await api.ask("POST", f"{WS}/webhooks", {**again, **other})).code == "webhook.exists"
            answer = await api.ask("POST", f"{WS}/webhooks/old/update", {"url": sink.url})
            assert answer.json["changed"] and len(sealed(api)) == 1
            assert (await api.ask("POST", f"{WS}/webhooks/old/test")).json["ok"]


async def test_a_webhook_whose_address_is_lost_says_so_and_is_not_resumed(api: Api) -> None:
    async with running_sink() as sink, running_notifier(api):
        await new(api, sink.url)
        await api.ask("POST", f"{HOOK}/pause")
        for path in sealed(api):
            path.unlink()
        assert "treering webhook update --url" in (await api.ask("GET", HOOK)).json["warning"]
        assert (await api.ask("POST", f"{HOOK}/resume")).code == "webhook.address_missing"
        forged = {"url": sink.url, "sealed": {"reference": "webhook-1", "macs": {"url": "0"}}}
        assert (await api.ask("POST", f"{HOOK}/update", forged)).code == "secret.forbidden"
