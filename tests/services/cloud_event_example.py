"""An installation with a publisher, and how tests publish a CloudEvent in each mode and read it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client
from tests.services.gateway_example import WS, Api, running_gateway

from treering.adapters.nats_accounts import add_publisher
from treering.testing.nats import RunningNats

EVENTS = f"{WS}/events"
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
LEAST = {"specversion": "1.0", "source": "/shop", "type": "com.example.order"}
FIELDS = {"ce-specversion": "1.0", "ce-source": "/shop", "ce-type": "com.example.order"}
ids = iter(range(1, 10_000))


@pytest.fixture(scope="module")
async def api(shared_nats: RunningNats) -> AsyncIterator[Api]:
    await add_publisher(shared_nats.home, "shop", "w")
    async with running_gateway(shared_nats) as running:
        yield running


@pytest.fixture(scope="module")
async def nats(api: Api) -> Client:
    return await api.nats.connect("publisher-shop")


def new_id() -> str:
    return f"e{next(ids)}"


async def told(api: Api, position: int) -> dict[str, Any]:
    """The event at a position, as readers get it."""
    line = (await api.ask("GET", f"/v1/events?since={position - 1}&limit=1")).body
    event: dict[str, Any] = msgspec.json.decode(line)
    return event


async def structured(api: Api, media_type: str = STRUCTURED, /, **more: Any) -> dict[str, Any]:
    """Publish an event, and read it."""
    said = {**LEAST, "id": new_id(), **more}
    answer = await api.ask("POST", EVENTS, said, {"content-type": media_type})
    assert answer.status == 200, answer.body
    return await told(api, answer.json["results"][0]["position"])


async def binary(api: Api, body: bytes, content_type: str | None, more: Mapping[str, str] | None = None) -> Any:
    fields = {**FIELDS, "ce-id": new_id(), **(more or {})}
    typed = {} if content_type is None else {"content-type": content_type}
    answer = await sent(api, body, {**fields, **typed})
    assert answer.status == 200, answer.body
    return await told(api, answer.json["results"][0]["position"])


async def sent(api: Api, body: bytes, headers: Mapping[str, str]) -> Any:
    """As ``api.ask``, which always sends a Content-Type."""
    fields = {**api.authorization(None), **headers}
    return await asyncio.to_thread(api.ask_now, "POST", EVENTS, body, fields)


def same(found: Mapping[str, Any], **wanted: Any) -> None:
    assert {name: found.get(name) for name in wanted} == wanted
