"""Reads of a gateway are shared by caller: a job that asks for far too much keeps nobody else from an answer, and what
its clients do not wait for is not worked on."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from tests.services.gateway_example import Api, running_gateway

from treering.adapters.sqlite_reader import THREADS
from treering.kernel.service import Service
from treering.kernel.turns import WAITING_EACH_MAX
from treering.testing.nats import RunningNats
from treering.views.tracking.artifacts import Child
from treering.views.tracking.filter_text import PATTERNS_CHARACTERS_MAX
from treering_services.base import ServiceBase
from treering_services.gateway.core import OpenTree
from treering_services.gateway.mlflow import artifact_store
from treering_services.gateway.mlflow.artifact_trees import children_at
from treering_services.monitor import service as monitor

pytestmark = pytest.mark.anyio
M = "/w/w/api/2.0/mlflow"
PATIENCE_SECONDS = 60
HELD_SECONDS = 5
VALUE = "a" * 7999 + "b"
PATTERN = f"%{'a' * 990}b"
SLOW = " AND ".join([f"tags.long ILIKE '{PATTERN}'"] * (PATTERNS_CHARACTERS_MAX // len(PATTERN)))
RUNS = 100  # each with some 30 million characters to compare
ENDLESS = f"SELECT count(*) FROM {', '.join(f'events e{number}' for number in range(16))}"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


class Clients:
    """Requests on connections of their own, not waited for; all hang up at the end."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.writers: list[asyncio.StreamWriter] = []
        self.first_lines: set[asyncio.Task[bytes]] = set()

    async def send(self, path: str, body: Any, token: str) -> None:
        data = json.dumps(body).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.api.port)
        self.writers.append(writer)
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.api.port}\r\nAuthorization: Bearer {token}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        await writer.drain()
        self.first_lines.add(asyncio.create_task(reader.readline()))

    async def hang_up(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.gather(*self.first_lines, return_exceptions=True)


@pytest.fixture
async def clients(api: Api) -> AsyncIterator[Clients]:
    opened = Clients(api)
    yield opened
    await opened.hang_up()


async def test_searches_of_one_job_keep_neither_the_owner_nor_another_job_from_an_answer(
    api: Api, clients: Clients
) -> None:
    tokens = [api.tokens.mint_job(await api.held(name), 1) for name in ("greedy", "modest")]
    tag = {"key": "long", "value": VALUE}
    number = (await api.ask("POST", f"{M}/experiments/create", {"name": "e"})).json["experiment_id"]
    for _ in range(RUNS):
        made = await api.ask("POST", f"{M}/runs/create", {"experiment_id": number, "start_time": 1, "tags": [tag]})
        assert made.status == 200, made.body
    body = {"experiment_ids": [number], "filter": SLOW}
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(WAITING_EACH_MAX + 8):
            await clients.send(f"{M}/runs/search", body, tokens[0])
        done, _ = await asyncio.wait(clients.first_lines, return_when=asyncio.FIRST_COMPLETED)
        assert b" 429 " in done.pop().result(), "as many of one caller as there may be are waiting now"
        for token in (None, tokens[1]):
            answer = await api.ask("POST", f"{M}/runs/search", {"experiment_ids": [number]}, token=token)
            assert len(answer.json["runs"]) == RUNS
        again = await api.ask("POST", f"{M}/runs/search", body, token=tokens[0])
        assert (again.status, again.json["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
        await clients.hang_up()
        own = {"experiment_ids": [number]}
        while (answer := await api.ask("POST", f"{M}/runs/search", own, token=tokens[0])).status == 429:
            pass
        assert len(answer.json["runs"]) == RUNS, "what its clients left made room"


async def test_a_folder_of_many_files_is_listed_beside_the_loop_and_in_turn(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a folder whose listing takes as long as we like,
    token = api.tokens.mint_job(await api.held("greedy"), 1)
    begun, go_on, ended = threading.Event(), threading.Event(), list[bool]()

    def endless(trees: Mapping[str, OpenTree], folder: str) -> list[Child]:
        if folder == "large":
            begun.set()
            ended.append(go_on.wait(HELD_SECONDS))
        return children_at(trees, folder)

    monkeypatch.setattr(artifact_store, "children_at", endless)
    asked = f"{M}/artifacts/list?run_id=greedy"
    async with asyncio.timeout(PATIENCE_SECONDS):
        # when a job asks for it more often than there are threads,
        greedy = [asyncio.create_task(api.ask("GET", f"{asked}&path=large", token=token)) for _ in range(THREADS + 1)]
        await asyncio.to_thread(begun.wait, HELD_SECONDS)
        # then others are answered meanwhile, and it is in the end.
        for one in ("", "&path=small"):
            assert (await api.ask("GET", f"{asked}{one}")).status == 200
        go_on.set()
        assert {one.status for one in await asyncio.gather(*greedy)} == {200}
    assert ended == [True] * len(greedy)


@asynccontextmanager
async def with_monitor(api: Api) -> AsyncIterator[None]:
    base = ServiceBase(api.home, api.nats.urls)
    async with AsyncExitStack() as stack:
        service = Service("monitor", lambda started: monitor.run(base, started))
        await service.start()
        stack.push_async_callback(service.stop)
        yield


async def test_sql_whose_client_hung_up_makes_room_for_the_next(api: Api, clients: Clients) -> None:
    async with with_monitor(api), asyncio.timeout(PATIENCE_SECONDS):
        assert (await api.ask("GET", f"/v1/audit?after={api.reader.projector.position}&limit=1")).status == 200
        for _ in range(WAITING_EACH_MAX + 8):
            await clients.send("/v1/audit/sql", {"sql": ENDLESS}, api.tokens.owner)
        done, _ = await asyncio.wait(clients.first_lines, return_when=asyncio.FIRST_COMPLETED)
        assert b" 429 " in done.pop().result(), "as many of one caller as there may be are waiting now"
        await clients.hang_up()
        while (answer := await api.ask("POST", "/v1/audit/sql", {"sql": "SELECT 1 AS one"})).status == 429:
            pass
        assert answer.status == 200, answer.body
