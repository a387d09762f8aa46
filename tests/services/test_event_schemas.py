"""Schemas of published events: what is registered is enforced, and names the field."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.services.gateway_example import WS, Api, running_gateway

from treering.domain.event_schema import EVENT_SCHEMA, CreateEventSchema
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
SCHEMA = {
    "type": "object",
    "required": ["accuracy"],
    "properties": {
        "accuracy": {"type": "number", "maximum": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
        "mail": {"type": "string", "format": "email"},
    },
    "additionalProperties": False,
}


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


async def register(api: Api, schema: Any, name: str = "score.taken", command: str = "create") -> tuple[int, str]:
    answer = await api.ask("POST", f"{WS}/event_schemas/{name}/{command}", {"schema": schema})
    return answer.status, answer.code


async def publish(api: Api, data: Any, id: str, type: str = "score.taken") -> tuple[str, str]:
    answer = await api.ask("POST", f"{WS}/events", [{"id": id, "source": "s", "type": type, "data": data}])
    result = answer.json["results"][0]
    return result.get("code", ""), result.get("detail", "")


async def test_what_is_published_must_be_as_its_schema_says(api: Api) -> None:
    assert await publish(api, {"anything": 1}, "0") == ("", "")
    assert await register(api, SCHEMA) == (201, "")
    assert await publish(api, {"accuracy": 0.9, "tags": ["a"]}, "1") == ("", "")
    for number, (data, field) in enumerate([
        ({"accuracy": 2}, "data.accuracy: "),
        ({"accuracy": 1, "tags": ["a", 7]}, "data.tags[1]: "),
        ({"accuracy": 1, "mail": "nobody"}, "data.mail: "),
        ({"tags": []}, "data: "),
        ({"accuracy": 1, "more": 1}, "data: "),
        (None, "data: "),
    ]):  # fmt: skip
        code, detail = await publish(api, data, f"bad{number}")
        assert code == "event.schema_mismatch" and detail.startswith(f"event 0: {field}"), (data, detail)
    assert await publish(api, {"accuracy": 2}, "2", "score.other") == ("", "")
    assert (await publish(api, {"accuracy": 2}, "3", "not/a name"))[0] == ""


async def test_a_schema_is_in_force_from_its_answer_until_it_is_archived(api: Api) -> None:
    await register(api, SCHEMA)
    assert await register(api, {"type": "string"}, command="update") == (200, "")
    assert (await publish(api, {"accuracy": 1}, "1"))[0] == "event.schema_mismatch"
    assert (await publish(api, "text", "2"))[0] == ""
    await api.ask("POST", f"{WS}/event_schemas/score.taken/archive")
    assert (await publish(api, {"accuracy": 1}, "3"))[0] == ""
    await api.ask("POST", f"{WS}/event_schemas/score.taken/restore")
    assert (await publish(api, {"accuracy": 1}, "4"))[0] == "event.schema_mismatch"


@pytest.mark.parametrize("draft", ["draft-04/schema#", "draft-07/schema#", "draft/2019-09/schema"])
async def test_a_schema_of_another_draft_is_refused_and_one_that_was_registered_before_stays(
    api: Api, draft: str
) -> None:
    other = {"$schema": f"http://json-schema.org/{draft}", "type": "number"}
    for schema in (other, {"$defs": {"a": {"$id": "a", **other}}, "$ref": "a"}):
        answer = await api.ask("POST", f"{WS}/event_schemas/score.taken/create", {"schema": schema})
        assert (answer.status, answer.code) == (400, "event_schema.invalid")
        assert (
            draft in answer.json["detail"] and "https://json-schema.org/draft/2020-12/schema" in answer.json["detail"]
        )
    # One that an earlier version let in is in force, read as it was then.
    await api.send_as("gateway", Address("w", EVENT_SCHEMA.kind, "score.taken"), CreateEventSchema(other))
    await api.reader.projector.reached(await api.reader.projector.log.head())
    assert await publish(api, 1, "1") == ("", "")
    assert (await publish(api, "one", "2"))[0] == "event.schema_mismatch"


async def test_a_schema_may_say_that_it_is_of_2020_12(api: Api) -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "properties": {"$schema": {"type": "string"}}}
    assert await register(api, schema) == (201, "")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "dog"},
        {"properties": 7},
        {"$ref": "http://127.0.0.1:9/other.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/none"},
        {"pattern": "("},
        {"pattern": "(?<=a)b"},
        {"description": "x" * 70_000},
    ],
)
async def test_what_is_no_schema_or_looks_elsewhere_is_refused(shared_api: Api, schema: dict[str, Any]) -> None:
    assert await register(shared_api, schema) == (400, "event_schema.invalid")
    assert (await shared_api.ask("GET", f"{WS}/event_schemas/score.taken")).status == 404


async def test_a_schema_that_goes_round_in_circles_or_has_an_evil_pattern_harms_nobody(api: Api) -> None:
    assert (await register(api, {"pattern": "^(a+)+$"}))[0] == 201
    assert (await publish(api, "a" * 50_000 + "!", "1"))[0] == "event.schema_mismatch"
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert (await register(api, tree, "tree"))[0] == 201
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"next": deep}
    assert (await publish(api, deep, "2", "tree"))[0] == ""
    chain: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    twice = {"$defs": {**chain, "d30": {}}, "$ref": "#/$defs/d0"}
    assert await register(api, twice, "twice") == (400, "event_schema.invalid")
    few = {"$defs": {**chain, "d12": {}}, "items": {"$ref": "#/$defs/d0"}}
    assert (await register(api, few, "few"))[0] == 201
    assert (await publish(api, [1], "4", "few"))[0] == ""
    assert (await publish(api, [1] * 1000, "5", "few"))[0] == "event.schema_cost"
    assert (await register(api, {"$ref": "#"}, "loop"))[0] in (201, 400)
    assert (await publish(api, {}, "3", "loop"))[0] in ("", "event.schema_mismatch")
    assert (await api.ask("GET", "/healthz")).status == 200


async def test_a_schema_is_of_its_workspace_only(api: Api) -> None:
    await api.ask("POST", "/v1/workspaces/v/create", {})
    await register(api, {"type": "string"})
    event = {"id": "1", "source": "s", "type": "score.taken", "data": {}}
    assert (await api.ask("POST", "/v1/workspaces/v/events", event)).status == 200


async def test_a_schema_that_would_take_for_ever_is_refused_or_its_event_is(api: Api) -> None:
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)} | {"d60": {}}
    assert await register(api, {"$defs": twice, "$ref": "#/$defs/d0"}) == (400, "event_schema.invalid")
    assert await register(api, {"allOf": [{"items": {"$ref": "#"}}] * 2}) == (201, "")
    data: Any = []
    for _ in range(100):
        data = [data]
    code, detail = await publish(api, data, "1")
    assert code == "event.schema_cost" and "1,000,000 steps" in detail, detail
    assert await publish(api, [[[]]], "2") == ("", "")
