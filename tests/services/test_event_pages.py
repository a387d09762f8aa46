"""The events of the log, page by page: no answer is unbounded, and the pages together are the whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.services.gateway_example import WS, Api, running_gateway

from treering.client import events as client_events
from treering.client.async_client import AsyncClient
from treering.client.http import Client
from treering.kernel import pages
from treering.testing.nats import RunningNats
from treering_services.gateway import event_pages

pytestmark = pytest.mark.anyio
DATA = "x" * 2000


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def publish(api: Api, count: int, type: str = "build.done") -> None:
    """In commits of several events, so that pages end within them."""
    found = [{"id": f"{type}-{number}", "source": "/ci", "type": type, "data": DATA} for number in range(count)]
    for start in range(0, count, 5):
        assert (await api.ask("POST", f"{WS}/events", found[start : start + 5])).status == 200


async def walked(api: Api, query: str) -> list[list[str]]:
    """The ids of each page, by the header that says where the next begins."""
    found, since = list[list[str]](), ""
    while True:
        answer = await api.ask("GET", f"/v1/events?since={since}&{query}")
        assert answer.status == 200, answer.body
        found.append([msgspec.json.decode(line)["id"] for line in answer.body.splitlines()])
        since = answer.headers.get("treering-next", "")
        if not since:
            return found


async def test_an_answer_has_a_hundred_events_unless_more_are_asked_for(api: Api) -> None:
    await publish(api, 120)
    sizes = [len(page) for page in await walked(api, "type=build.done")]
    assert sizes == [100, 20]
    assert [len(page) for page in await walked(api, "type=build.done&limit=1000")] == [120]


@pytest.mark.parametrize("query", ["limit=1", "limit=7", "limit=3&kind=event", "limit=2&type=build.done"])
async def test_pages_of_any_size_are_together_every_event_once(api: Api, query: str) -> None:
    await publish(api, 12)
    await api.submitted("j")
    await api.ask("POST", f"{WS}/jobs/j/cancel")
    filters = "&".join(part for part in query.split("&") if not part.startswith("limit"))
    (whole,) = await walked(api, f"limit=1000&{filters}")
    found = await walked(api, query)
    assert [id for page in found for id in page] == whole and len(found) > 1


async def test_a_page_ends_early_where_its_events_are_large(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await publish(api, 12)
    monkeypatch.setattr(pages, "PAGE_BYTES_MAX", 3 * len(DATA))
    found = await walked(api, "type=build.done")
    assert max(map(len, found)) <= 2 and sum(map(len, found)) == 12


async def test_an_event_that_is_larger_than_a_page_is_a_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await publish(api, 3)
    monkeypatch.setattr(pages, "PAGE_BYTES_MAX", 100)
    assert [len(page) for page in await walked(api, "type=build.done")] == [1, 1, 1]


async def test_a_search_for_a_rare_event_is_answered_in_parts(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_pages, "READS_MAX", 1)
    monkeypatch.setattr("treering_services.gateway.subscriber.PAGE", 4)
    await publish(api, 30)
    await publish(api, 1, "build.rare")
    found = await walked(api, "type=build.rare")
    assert [page for page in found if page] == [["build.rare-0"]] and len(found) > 3


async def test_clients_read_all_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_events, "PAGE_MAX", 3)
    await publish(api, 10)
    url = f"http://127.0.0.1:{api.port}"
    (whole,) = await walked(api, "limit=1000")
    async with AsyncClient(url, api.tokens.owner) as client:
        assert [event.id async for event in client.events(follow=False)] == whole
    with Client(url, api.tokens.owner) as twin:
        assert await asyncio.to_thread(lambda: [event.id for event in twin.events(follow=False)]) == whole
