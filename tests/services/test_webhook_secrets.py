"""A secret is replaced without a delivery that its receiver cannot check; a replay begins where there is something."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import WS, Api, running_gateway
from tests.services.sink import Delivery, Sink, running_sink
from tests.services.test_webhooks import create, experiments, running_notifier

from treering.adapters.webhook_secrets import secret_name, webhook_secrets
from treering.domain.webhook import WEBHOOK
from treering.kernel.clock import new_id
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering.views.states import show

pytestmark = pytest.mark.anyio
HOOK = f"{WS}/webhooks/hook"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def rotate(api: Api, **body: Any) -> Any:
    answer = await api.ask("POST", f"{HOOK}/secret", body)
    assert answer.status == 200, answer.body
    return answer.json


async def next_delivery(api: Api, sink: Sink, number: int) -> Delivery:
    """Of an event that came after the last rotation, which the notifier knows by the time a test has come."""
    assert (await api.ask("POST", f"{HOOK}/test")).json["ok"]
    await experiments(api, number)
    await sink.until(lambda: sink.got[-1].json["type"] == "experiment.created")
    return sink.got[-1]


def files(api: Api) -> int:
    return len(list((api.home.keys / "webhooks").iterdir()))


async def until_files(api: Api, count: int) -> None:
    async with asyncio.timeout(60.0):
        while files(api) != count:
            await api.ask("GET", "/healthz")


async def test_both_secrets_sign_while_they_overlap_also_after_a_restart(api: Api) -> None:
    async with running_sink() as sink:
        async with running_notifier(api):
            old = await create(api, sink, kind="experiment")
            made = await rotate(api)
            new = made["secret"]
            first = await next_delivery(api, sink, 1)
        async with running_notifier(api):
            second = await next_delivery(api, sink, 2)
            for one in (first, second):
                assert one.signed_with(old) and one.signed_with(new)
                assert one.headers["webhook-signature"].count("v1,") == 2
            assert made["previous_until"] and files(api) == 2
            # A secret that leaked is out at once, and its file gone.
            last = (await rotate(api, overlap_seconds=0))["secret"]
            third = await next_delivery(api, sink, 3)
            assert third.signed_with(last) and not third.signed_with(new) and not third.signed_with(old)
            await until_files(api, 1)
    story = (await api.ask("GET", "/v1/events?kind=webhook&type=webhook.secret_rotated")).body
    rotations = [msgspec.json.decode(line)["data"] for line in story.splitlines()]
    assert [one.get("previous_until") for one in rotations] == [made["previous_until"], None]
    assert not any(secret.removeprefix("whsec_").encode() in story for secret in (old, new, last))


async def test_when_the_overlap_is_over_the_old_secret_signs_no_more_and_its_file_is_gone(api: Api) -> None:
    async with running_notifier(api), running_sink() as sink:
        old = await create(api, sink, kind="experiment")
        new = (await rotate(api, overlap_seconds=1))["secret"]
        await until_files(api, 1)
        after = await next_delivery(api, sink, 1)
        assert after.signed_with(new) and not after.signed_with(old)


async def test_a_webhook_with_the_longest_name_has_a_secret_that_signs_and_is_removed(api: Api) -> None:
    name = "n.-" * 85
    async with running_notifier(api), running_sink() as sink:
        secret = await create(api, sink, name)
        assert (await api.ask("POST", f"{WS}/webhooks/{name}/test")).json["ok"] and sink.got[0].signed_with(secret)
        await api.ask("POST", f"{WS}/webhooks/{name}/delete")
        await until_files(api, 0)


async def test_an_overlap_has_a_bound_and_mlflows_signature_has_none(api: Api) -> None:
    async with running_notifier(api), running_sink() as sink:
        await create(api, sink, body="mlflow", secret="s")
        assert (await api.ask("POST", f"{HOOK}/secret", {"overlap_seconds": 10**9})).code == "request.malformed"
        assert (await api.ask("POST", f"{HOOK}/secret", {"overlap_seconds": 60})).code == "webhook.invalid"
        assert (await rotate(api))["previous_until"] is None and files(api) == 1


async def test_a_position_the_log_has_not_reached_is_refused_to_begin_or_replay_at(api: Api) -> None:
    async with running_notifier(api), running_sink() as sink:
        ahead = await api.ask("POST", f"{WS}/webhooks", {"name": "a", "url": sink.url, "since": 10_000})
        assert (ahead.status, ahead.code) == (410, "position.other_log") and files(api) == 0
        await create(api, sink, kind="experiment")
        head = (await api.ask("GET", "/v1/status")).json["head"]
        for since, status in ((head + 1, 410), (10_000, 410), (head, 200)):
            answer = await api.ask("POST", f"{HOOK}/replay", {"since": since, "request": f"r{since}"})
            assert answer.status == status, answer.body
            assert status == 200 or (answer.code == "position.other_log" and str(head) in answer.json["detail"])
        await experiments(api, 1)
        await sink.until(lambda: len(sink.got) == 1)
        address = Address("w", "webhook", "hook")
        found = await api.reader.view.read(lambda db: show(db, address))
        assert found is not None and WEBHOOK.states.decode(found.state).since == head


@pytest.mark.parametrize("command", ["create", "rotate_secret"])
async def test_no_command_goes_round_the_secret(api: Api, command: str) -> None:
    body = {"url": "https://example.com/"} if command == "create" else {"secret": "x"}
    assert (await api.ask("POST", f"{HOOK}/{command}", body)).code == "command.forbidden"


async def test_a_deletion_that_is_heard_of_late_leaves_the_secret_of_the_webhook_that_comes_next(api: Api) -> None:
    async with running_sink() as sink:
        async with running_notifier(api):
            await create(api, sink, kind="experiment")
            next_id = new_id()
            webhook_secrets(api.home).put(secret_name("w", "hook", next_id), b"sealed before the log says anything")
            await api.ask("POST", f"{HOOK}/delete")
            await until_files(api, 1)
        async with running_notifier(api):
            assert [next_id in path.name for path in (api.home.keys / "webhooks").iterdir()] == [True]


async def test_a_start_removes_what_deleted_webhooks_have_left(api: Api) -> None:
    async with running_sink() as sink:
        async with running_notifier(api):
            await create(api, sink, kind="experiment")
        await api.ask("POST", f"{HOOK}/delete")
        (left,) = (api.home.keys / "webhooks").iterdir()
        os.utime(left, (0, 0))
        async with running_notifier(api):
            await until_files(api, 0)
