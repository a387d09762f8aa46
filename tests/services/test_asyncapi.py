"""The AsyncAPI document: whole, resolvable, and true of the events that are really sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.services.gateway_example import WS, running_gateway

from treering.adapters.bus import ask
from treering.adapters.nats_accounts import add_publisher, add_subscriber
from treering.domain import KINDS
from treering.testing.nats import RunningNats
from treering_services.gateway.asyncapi import describe_events

DOCUMENT: dict[str, Any] = json.loads(describe_events())
REQUIRED = {"asyncapi", "info", "channels", "operations", "components", "defaultContentType"}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def resolved(reference: str) -> Any:
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_every_reference_leads_somewhere_in_the_document() -> None:
    found = set(references(DOCUMENT))
    assert found and all(one.startswith("#/") and resolved(one) is not None for one in found)


def test_it_has_the_parts_that_the_specification_asks_for() -> None:
    assert set(DOCUMENT) == REQUIRED and DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for name, channel in DOCUMENT["channels"].items():
        named = {part.partition("}")[0] for part in (channel["address"] or "").split("{")[1:]}
        assert named == set(channel.get("parameters", {})), name
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        of_channel = operation["channel"]["$ref"] + "/messages/"
        assert operation["messages"] and all(one["$ref"].startswith(of_channel) for one in operation["messages"])
    for schemes in DOCUMENT["components"].values():
        assert all(name.replace(".", "").replace("_", "").replace("-", "").isalnum() for name in schemes)


def test_every_event_of_every_kind_is_in_it() -> None:
    types = {tag for kind in KINDS.values() for tag in kind.event_types} - {"event.published"}
    over_nats = {"sub_request", "sub_answer", "pub_request", "pub_answer", "refused"}
    assert types | {"published", "publish"} | over_nats == set(DOCUMENT["components"]["messages"])
    assert set(KINDS) | {"publish", "sub", "sub_answer", "pub", "pub_answer"} == set(DOCUMENT["channels"])
    for name in ("sub", "pub"):
        assert DOCUMENT["channels"][name]["address"] == f"{name}.{{name}}"
        assert DOCUMENT["operations"][name]["reply"]["channel"] == {"$ref": f"#/channels/{name}_answer"}


def payload_validator(name: str) -> jsonschema_rs.Draft202012Validator:
    schema = {**DOCUMENT["components"]["messages"][name]["payload"], "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(schema, offline=True)


RECORDED = sorted(Path(__file__).parents[1].glob("recorded/*/*.jsonl"))


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_recorded_events_are_as_it_says(file: Path) -> None:
    checked = 0
    for line in file.read_text().splitlines():
        for commit in json.loads(line)["commits"]:
            for event in json.loads(commit["body"])["events"]:
                if event["type"] in DOCUMENT["components"]["messages"]:
                    envelope = {"specversion": "1.0", "id": "1.0", "source": "/treering/w", "position": 1}
                    payload_validator(event["type"]).validate({**envelope, "type": event["type"], "data": event})
                    checked += 1
    assert checked or file.stem == "event"


@pytest.mark.anyio
async def test_what_the_gateway_sends_is_as_it_says_and_what_it_takes_too(nats_server: RunningNats) -> None:
    published = {"specversion": "1.0", "id": "1", "source": "ci", "type": "build.done", "data": {"ok": True}}
    payload_validator("publish").validate(published)
    payload_validator("publish").validate([published])
    assert not payload_validator("publish").is_valid({**published, "actor": "somebody else"})
    async with running_gateway(nats_server) as api:
        await api.submitted("j")
        await api.ask("POST", f"{WS}/jobs/j/cancel")
        await api.ask("POST", f"{WS}/events", published)
        lines = (await api.ask("GET", "/v1/events?ws=w")).body.splitlines()
        served = (await api.ask("GET", "/asyncapi.json")).json
        assert (await api.ask("GET", "/asyncapi.json", token="")).status == 401
    assert served == DOCUMENT and len(lines) >= 6
    for line in lines:
        event = json.loads(line)
        name = "published" if event.get("published") else event["type"]
        payload_validator(name).validate(event)
        assert not payload_validator(name).is_valid({**event, "published": name != "published"})


@pytest.mark.anyio
async def test_what_goes_over_nats_is_as_it_says(nats_server: RunningNats) -> None:
    await add_publisher(nats_server.home, "ci", "w")
    await add_subscriber(nats_server.home, "dash", "w")
    async with running_gateway(nats_server) as api:
        event = {"id": "1", "source": "/ci", "type": "build.done", "data": {"ok": True}}
        requests: dict[str, Any] = {
            "pub": {"workspace": "w", "events": [event]},
            "sub": {"since": 0, "kind": "event", "limit": 5},
        }
        for name, who in (("pub", "ci"), ("sub", "dash")):
            client = await api.nats.connect(f"{'publisher' if name == 'pub' else 'subscriber'}-{who}")
            payload_validator(f"{name}_request").validate(requests[name])
            answer = json.loads(
                await ask(client, f"{name}.{who}", json.dumps(requests[name]).encode(), timeout_seconds=20.0)
            )
            payload_validator(f"{name}_answer").validate(answer)
            refused = json.loads(await ask(client, f"{name}.{who}", b'{"nope": 1}', timeout_seconds=20.0))
            payload_validator("refused").validate(refused)
            assert not payload_validator(f"{name}_answer").is_valid(refused)
        assert answer["events"][0]["published"] is True
