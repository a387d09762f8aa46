"""What no view could hold is refused at the door, in the words of the API that was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import WS, Api, running_gateway
from tests.services.mlflow_example import Mlflow

from treering.adapters.bus import ask
from treering.adapters.nats_accounts import add_publisher
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
TOO_LARGE = 2**63
EVENT = {"id": "1", "source": "s", "type": "a.b"}


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    await add_publisher(nats_server.home, "ci", "w")
    async with running_gateway(nats_server) as running:
        yield running


async def test_native_routes_refuse_numbers_that_no_view_can_hold(api: Api) -> None:
    run = f"{WS}/runs/r1"
    assert (await api.ask("POST", f"{WS}/experiments/e/create", {})).status == 201
    bad = [
        ("create", {"experiment": "e", "start_time": TOO_LARGE}, "$.start_time"),
        ("update", {"status": "FINISHED", "end_time": TOO_LARGE}, "$.end_time"),
        ("log_outputs", {"models": [{"model_id": "m-1", "step": TOO_LARGE}]}, "$.models[0].step"),
    ]
    assert (await api.ask("POST", f"{run}/create", {"experiment": "e"})).status == 201
    for command, body, place in bad:
        refused = await api.ask("POST", f"{run}/{command}", body)
        assert (refused.status, refused.code) == (400, "request.malformed"), command
        assert place in refused.json["detail"] and str(TOO_LARGE) in refused.json["detail"]
    assert (await api.ask("GET", run)).json["state"]["status"] == "RUNNING"


async def test_mlflows_routes_refuse_the_same_in_mlflows_words(api: Api) -> None:
    mlflow = Mlflow(api)
    run_id = await mlflow.run()
    bad: list[tuple[str, dict[str, Any], str]] = [
        ("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": TOO_LARGE}, "end_time"),
        ("runs/create", {"experiment_id": "0", "start_time": -TOO_LARGE}, "start_time"),
        ("runs/outputs", {"run_id": run_id, "models": [{"model_id": "m-1", "step": TOO_LARGE}]}, "models"),
        ("runs/log-metric", {"run_id": run_id, "key": "m", "value": 1, "timestamp": 1, "step": TOO_LARGE}, "step"),
    ]
    for path, body, field in bad:
        refused = await mlflow.post(path, **body)
        assert (refused.status, refused.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), path
        assert f"for parameter '{field}'" in refused.json["message"] and "Expected `int`" in refused.json["message"]
    await mlflow.done("runs/update", run_id=run_id, status="FINISHED", end_time=253_402_300_799_999)


async def test_every_query_parameter_is_bounded(api: Api) -> None:
    for path in ("/v1/stuck?failures={}", WS + "/runs?page={}", "/v1/audit?limit={}", "/v1/stuck?waiting_seconds=1e{}"):
        refused = await api.ask("GET", path.format(TOO_LARGE))
        assert (refused.status, refused.code) == (400, "request.query"), path


async def test_a_published_event_may_be_in_a_leap_second_and_in_no_year_that_is_none(api: Api) -> None:
    for id, (time, code) in enumerate(
        [
            ("2016-12-31T23:59:60Z", ""), ("2016-12-31T23:59:60.5+00:00", ""), ("2026-01-31T12:00:00+02:00", ""),
            ("0001-01-01T00:00:00+14:00", "event.malformed"), ("9999-12-31T23:59:60Z", "event.malformed"),
            ("2016-12-31T12:59:60Z", "event.malformed"), ("2026-01-31T12:00:00", "event.malformed"),
        ]
    ):  # fmt: skip
        answer = await api.ask("POST", f"{WS}/events", {**EVENT, "id": str(id), "time": time})
        assert (answer.status, answer.code) == ((400, code) if code else (200, "")), time
    stored = await api.ask("GET", f"{WS}/events")
    times = [one["state"]["event"]["time"] for one in stored.json["items"]]
    assert "2017-01-01T00:00:00Z" in times


async def test_json_that_names_a_field_twice_is_refused_wherever_it_becomes_a_commit(api: Api) -> None:
    client = await api.nats.connect("publisher-ci")
    twice = [
        (f"{WS}/events", b'{"id":"a","id":"b","source":"s","type":"a.b"}'),
        (f"{WS}/events", b'{"id":"a","source":"s","type":"a.b","data":{"a":1,"a":2}}'),
        (f"{WS}/experiments/e/create", b'{"tags":{"a":"1","a":"2"}}'),
        ("/api/2.0/mlflow/experiments/create", b'{"name":"a","name":"b"}'),
    ]
    for path, body in twice:
        answer = await api.ask("POST", path, body)
        assert answer.status == 400 and b"stands twice" in answer.body, body
    envelope = b'{"workspace":"w","events":[],"events":[{"id":"1","source":"s","type":"a.b"}]}'
    assert msgspec.json.decode(await ask(client, "pub.ci", envelope))["code"] == "event.malformed"


async def test_data_of_any_shape_has_a_depth_and_integers_of_64_bits(api: Api) -> None:
    for data in (
        b"9223372036854775808",
        b'{"a":[-9223372036854775809]}',
        b"[" * 501 + b"]" * 501,
        b'{"a":' * 501 + b"0" + b"}" * 501,
    ):
        body = b'{"id":"1","source":"s","type":"a.b","data":' + data + b"}"
        answer = await api.ask("POST", f"{WS}/events", body)
        assert (answer.status, answer.code) == (400, "event.malformed"), data
    schema = b'{"schema":{"const":18446744073709551616}}'
    assert (await api.ask("POST", f"{WS}/event_schemas/a.b/create", schema)).code == "request.malformed"


async def test_a_name_with_a_character_that_nobody_sees_is_refused_and_free_text_is_not(api: Api) -> None:
    client = await api.nats.connect("publisher-ci")
    for name in ("id", "type", "source", "subject", "cause", "specversion", "datacontenttype"):
        for character in ("\x00", "\x07", "\n", "\x7f", "\x9b", "\ufdd0", "\ufffe", "\u202e", "\u200b", "\U0001fffe"):
            event = {**EVENT, "type": "build.done", name: f"a{character}b"}
            answer = await api.ask("POST", f"{WS}/events", event)
            assert answer.status == 400 and answer.code.startswith("event."), (name, character, answer.body)
            said = msgspec.json.encode({"workspace": "w", "events": [event]})
            assert msgspec.json.decode(await ask(client, "pub.ci", said))["results"][0]["code"] == answer.code
    refused = await api.ask("POST", f"{WS}/experiments/e/create", {"display_name": "a\x1b[2J"})
    assert (refused.status, refused.code) == (400, "request.malformed")
    assert "without control characters - at `$.display_name`, given 'a\\x1b[2J'" in refused.json["detail"]
    assert (await api.ask("GET", f"{WS}/experiments?prefix=a%07")).code == "request.query"
    mlflow = Mlflow(api)
    for path, body in {
        "experiments/create": {"name": "a\x07"},
        "runs/create": {"experiment_id": "0", "run_name": "a\x07"},
        "registered-models/create": {"name": "a\x07"},
    }.items():
        answer = await mlflow.post(path, **body)
        assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), (path, answer.body)
    fields = {"display_name": "\u202eabc", "description": "two\nlines \x1b[0m", "tags": {"a": "b\n"}}
    assert (await api.ask("POST", f"{WS}/experiments/free/create", fields)).status == 201
