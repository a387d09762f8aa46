"""The Python client over NATS: every event once, whatever becomes of the gateway meanwhile."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.services.gateway_example import Api, running_gateway

from treering.adapters.nats_accounts import add_subscriber, remove_subscriber
from treering.adapters.nats_credentials import keys_folder
from treering.client import Client
from treering.client.errors import ApiError, Unreachable
from treering.client.events import Event, Since
from treering.client.nats_events import nats_events
from treering.kernel.refusal import Refused
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
READ_SECONDS = 60.0
EVENT = {"source": "/test", "type": "thing.happened"}


@pytest.fixture
async def credential(nats_server: RunningNats) -> Path:
    await add_subscriber(nats_server.home, "dash", "w")
    return keys_folder(nats_server.home) / "subscriber-dash.json"


@pytest.fixture
async def api(nats_server: RunningNats, credential: Path) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def published(api: Api, *numbers: int) -> None:
    for number in numbers:
        answer = await api.ask("POST", "/v1/workspaces/w/events", {**EVENT, "id": f"n{number}"})
        assert answer.status == 200


async def taken(api: Api, credential: Path, count: int, since: Since = None) -> list[Event]:
    """The next ``count`` published events, by a client that then goes away."""
    found: list[Event] = []
    events = nats_events(api.nats.url, credential, kind="event", type=["thing.*"], since=since)
    async with asyncio.timeout(READ_SECONDS), aclosing(events):  # type: ignore[type-var]
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_a_client_that_comes_back_goes_on_behind_the_last_event(api: Api, credential: Path) -> None:
    # Given a client that took some and went away,
    await published(api, *range(4))
    first = await taken(api, credential, 3)
    # when it comes back with the place of the last one, while more come,
    waiting = asyncio.create_task(taken(api, credential, 3, first[-1].place))
    await published(api, 4, 5)
    # then it has each once.
    assert [event.id for event in (*first, *await waiting)] == [f"n{number}" for number in range(6)]


async def test_a_client_outlives_the_gateway(api: Api, credential: Path) -> None:
    # Given a client that has taken the newest event and waits,
    await published(api, 0)
    waiting = asyncio.create_task(taken(api, credential, 2))
    # when the gateway goes, and comes back with another event,
    await api.service.stop()
    async with running_gateway(api.nats) as again:
        await published(again, 1)
        # then it has both.
        assert [event.id for event in await waiting] == ["n0", "n1"]


async def test_a_client_that_may_not_is_told(api: Api, credential: Path) -> None:
    # Given a client that waits, and a copy of its credential,
    with pytest.raises(ApiError, match=r"request\.query"):
        await taken(api, credential, 1, "yesterday")
    kept = Path(shutil.copy(credential, credential.with_name("kept")))
    await published(api, 0)
    events = nats_events(api.nats.url, kept, kind="event")
    assert (await anext(events)).id == "n0"
    # when the subscriber is removed,
    await remove_subscriber(api.nats.home, "dash")
    # then neither the client that waits nor a new one gets anything.
    with pytest.raises((Unreachable, ApiError)):
        await asyncio.wait_for(anext(events), READ_SECONDS)
    with pytest.raises(Unreachable):
        await taken(api, kept, 1)


async def test_the_place_of_what_a_job_published_is_its_position(api: Api, credential: Path) -> None:
    # Given an event that a job published, whose source begins as those of treering's own do,
    token = api.tokens.mint_job(await api.held("mine"), 1)
    event = {"id": "1", "type": "thing.happened", "subject": "job/mine"}
    said = await api.ask("POST", "/v1/workspaces/w/events", event, token=token)
    # when a client reads it,
    (found,) = await taken(api, credential, 1)
    # then it can go on behind it.
    assert found.place == f"{said.json['results'][0]['position']}.0"
    await published(api, 2)
    assert [one.id for one in await taken(api, credential, 1, since=found.place)] == ["n2"]


async def test_what_a_client_publishes_another_reads_with_all_its_attributes(api: Api, credential: Path) -> None:
    more: dict[str, str | int | bool] = {"tenant": "a", "attempt": 3, "dry": True, "place": 7, "extensions": "x"}

    def publish() -> list[Event]:
        with Client(f"http://127.0.0.1:{api.port}", api.tokens.owner) as client:
            with client.publisher("w", source="/shop") as publisher:
                publisher.publish("thing.scan", b"\x00\xff", content_type="image/png", extensions=more)
                publisher.publish("thing.note", "hello", content_type="text/plain", schema="https://example.com/note")
                with pytest.raises(Refused, match="at most 921600"):
                    publisher.publish("thing.large", "a" * 921_600)
            return list(client.events(workspace="w", type="thing.*", follow=False))

    over_http = await asyncio.to_thread(publish)
    over_nats = await taken(api, credential, 2)
    for scan, note in (over_http, over_nats):
        assert (scan.data_bytes, scan.data, scan.data_content_type) == (b"\x00\xff", None, "image/png")
        assert scan.extensions == more and scan.place == f"{scan.position}.0" and scan.published
        assert (note.data, note.data_bytes, note.data_schema) == ("hello", None, "https://example.com/note")
        assert note.extensions == {} and note.data_content_type == "text/plain"
