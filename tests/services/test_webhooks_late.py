"""A notifier that hears of things late, and one whose view is behind: nothing is denied, and nothing ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from tests.services.gateway_example import WS, Api, running_gateway
from tests.services.sink import running_sink
from tests.services.test_webhooks import create, experiments, running_notifier, standing

from treering.kernel.feed import Feed
from treering.kernel.log import Entry
from treering.kernel.projector import Projector
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
HOOK = f"{WS}/webhooks/hook"


class Impatient(Projector):
    """Who waits for it as long as a client does is refused at once."""

    async def reached(self, position: int, timeout_seconds: float = 0.0) -> None:
        await super().reached(position, 0.0 if timeout_seconds < 60.0 else timeout_seconds)


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


def applies_when_asked(view: Projector, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes is shown only when somebody waits for a position."""
    apply = view.view.apply

    async def wait_and_apply(entries: Sequence[Entry]) -> None:
        while not view.readers:
            view.asked.clear()
            await view.asked.wait()
        await apply(entries)

    monkeypatch.setattr(view.view, "apply", wait_and_apply)


async def behind(api: Api) -> Impatient:
    """It shows what the log has now, and moves only when it is told to."""
    view = Impatient(api.reader.projector.log, api.reader.view)
    view.advance(await api.reader.projector.log.head())
    return view


async def test_a_question_about_a_webhook_is_answered_although_the_notifier_has_not_heard_of_it(api: Api) -> None:
    deaf = replace(api.reader, feed=Feed(api.reader.projector.log, after=0))
    async with running_notifier(api, reader=deaf), running_sink() as sink:
        await create(api, sink)
        answers = [await api.ask("GET", f"{HOOK}/delivery"), await api.ask("GET", f"{HOOK}/dead"),
                   await api.ask("POST", f"{HOOK}/redeliver", {})]  # fmt: skip
    assert [answer.status for answer in answers] == [200, 200, 200]


async def test_an_event_that_the_notifier_has_not_heard_of_waits_for_what_came_before_it(api: Api) -> None:
    deaf = replace(api.reader, feed=Feed(api.reader.projector.log, after=0))
    async with running_notifier(api, reader=deaf), running_sink() as sink:
        await create(api, sink, kind="experiment")
        created = (await api.ask("GET", HOOK)).json["position"]
        await experiments(api, 1)
        async with asyncio.timeout(30.0):
            while (await standing(api))["position"] < created:
                pass
        assert (await api.ask("POST", f"{HOOK}/test")).json["ok"]
        await api.ask("POST", f"{HOOK}/pause")
        assert (await api.ask("POST", f"{HOOK}/test")).code == "webhook.not_active"
    assert [one.json["type"] for one in sink.got] == ["treering.webhook.test"]


async def test_a_question_is_judged_by_the_command_that_was_answered_last(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = replace(api.reader, feed=Feed(api.reader.projector.log, after=0))
    async with running_notifier(api, reader=deaf), running_sink() as sink:
        await create(api, sink)
        assert (await api.ask("POST", f"{HOOK}/test")).json["ok"]
        applies_when_asked(api.reader.projector, monkeypatch)
        await api.ask("POST", f"{HOOK}/pause")
        assert (await api.ask("POST", f"{HOOK}/test")).code == "webhook.not_active"
        await api.ask("POST", f"{HOOK}/secret", {})
        assert (await api.ask("POST", f"{HOOK}/resume")).status == 200
        assert (await api.ask("POST", f"{HOOK}/test")).json["ok"]
        await api.ask("POST", f"{HOOK}/delete")
        assert (await api.ask("GET", f"{HOOK}/delivery")).code == "webhook.absent"


async def test_a_view_that_is_long_behind_delays_an_event_and_loses_none(api: Api) -> None:
    async with running_sink() as sink:
        async with running_notifier(api):
            await create(api, sink, kind="job", body="eventgrid")
            await standing(api)
        view = await behind(api)
        async with running_notifier(api, reader=replace(api.reader, projector=view)):
            await api.submitted("j")
            await view.asked.wait()
            view.advance(await api.reader.projector.log.head())
            await sink.until(lambda: len(sink.got) == 1)


async def test_a_webhook_that_changes_while_the_view_is_long_behind_ends_no_service(api: Api) -> None:
    async with running_sink() as sink:
        async with running_notifier(api):
            await create(api, sink)
            await standing(api)
        view = await behind(api)
        async with running_notifier(api, reader=replace(api.reader, projector=view)):
            await api.ask("POST", f"{HOOK}/pause")
            await view.asked.wait()
            view.advance(await api.reader.projector.log.head())
            assert (await api.ask("POST", f"{HOOK}/test")).code == "webhook.not_active"
