"""Bodies as scripts send them that write the JSON themselves: taken as MLflow takes them, or refused with its code."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.gateway_example import Api
from tests.services.mlflow_example import BASE, Mlflow, pairs

JSON = {"content-type": "application/json"}


@pytest.fixture
def mlflow(shared_api: Api) -> Mlflow:
    return Mlflow(shared_api)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"value": True, "timestamp": 5}, (1.0, 5, 0)),
        ({"value": False, "timestamp": 1.7e12}, (0.0, 1_700_000_000_000, 0)),
        ({"value": "1.5", "timestamp": "7", "step": "3"}, (1.5, 7, 3)),
        ({"value": 1, "timestamp": 1700000000123.9, "step": 2.0}, (1.0, 1_700_000_000_123, 2)),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
async def test_a_point_is_kept_as_it_was_meant(
    mlflow: Mlflow, sent: dict[str, Any], kept: tuple[float, int, int], batch: bool
) -> None:
    run = await mlflow.run()
    point = {"key": "loss", **sent}
    await mlflow.done(*("runs/log-batch",) if batch else ("runs/log-metric",), run_id=run,
                      **({"metrics": [point]} if batch else point))  # fmt: skip
    found = (await mlflow.get("metrics/get-history", run_id=run, metric_key="loss")).json["metrics"]
    assert [(one["value"], one["timestamp"], one["step"]) for one in found] == [kept]


async def test_times_of_a_run_may_have_a_fraction(mlflow: Mlflow) -> None:
    made = await mlflow.done("runs/create", experiment_id="0", start_time=1700000000000.7)
    run = made["run"]["info"]["run_id"]
    ended = await mlflow.done("runs/update", run_id=run, status=3, end_time=1700000000001.2)
    assert (ended["run_info"]["start_time"], ended["run_info"]["end_time"]) == (1_700_000_000_000, 1_700_000_000_001)


async def test_experiments_may_be_numbers_in_a_search(mlflow: Mlflow) -> None:
    experiment = await mlflow.experiment("numbers")
    run = await mlflow.run(experiment)
    found = await mlflow.done("runs/search", experiment_ids=[int(experiment)])
    assert [one["info"]["run_id"] for one in found["runs"]] == [run]


async def test_fields_may_be_in_camel_case_as_protobuf_writes_them(mlflow: Mlflow) -> None:
    experiment = await mlflow.experiment("camels")
    made = await mlflow.done("runs/create", experimentId=experiment, runName="dromedary", startTime=5)
    info = made["run"]["info"]
    assert (info["experiment_id"], info["run_name"], info["start_time"]) == (experiment, "dromedary", 5)
    await mlflow.run(experiment)
    found = await mlflow.done("runs/search", experimentIds=[experiment], maxResults=1, orderBy=["start_time DESC"])
    assert [one["info"]["run_id"] for one in found["runs"]] == [info["run_id"]]
    tagged = await mlflow.run(experiment, tags=[{"key": "note", "value": '"experimentId": 7'}])
    assert pairs((await mlflow.shown(tagged))["data"]["tags"])["note"] == '"experimentId": 7'


async def test_a_tag_without_a_value_is_empty(mlflow: Mlflow) -> None:
    run = await mlflow.run(tags=[{"key": "a"}, {"key": "b", "value": None}])
    await mlflow.done("runs/log-batch", run_id=run, tags=[{"key": "c"}], params=[{"key": "p"}])
    data = (await mlflow.shown(run))["data"]
    assert {name: value for name, value in pairs(data["tags"]).items() if name in "abc"} == {"a": "", "b": "", "c": ""}
    assert pairs(data["params"]) == {"p": ""}


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("runs/create", {}, "BAD_REQUEST"),
        ("runs/create", {"experiment_id": ""}, "BAD_REQUEST"),
        ("runs/create", {"experiment_id": "0", "tags": {"a": "b"}}, "INVALID_PARAMETER_VALUE"),
        ("runs/create", {"experiment_id": "0", "tags": [{"key": "a", "value": 1}]}, "INVALID_PARAMETER_VALUE"),
        ("runs/search", {"experiment_ids": "0"}, "INVALID_PARAMETER_VALUE"),
        ("runs/search", {"experiment_ids": [True]}, "INVALID_PARAMETER_VALUE"),
        ("runs/update", {"status": 0}, "INVALID_PARAMETER_VALUE"),
        ("runs/update", {"status": 99}, "INVALID_PARAMETER_VALUE"),
        ("runs/set-tag", {"key": "a", "value": True}, "INVALID_PARAMETER_VALUE"),
        ("runs/log-metric", {"key": "a", "value": 1, "timestamp": True}, "INVALID_PARAMETER_VALUE"),
        ("runs/log-metric", {"key": "a", "value": 1, "timestamp": 1, "step": 1.5}, "INVALID_PARAMETER_VALUE"),
        ("runs/log-metric", {"key": "a", "value": 1, "timestamp": 1e300}, "INVALID_PARAMETER_VALUE"),
    ],
)
async def test_what_would_be_lost_is_refused(mlflow: Mlflow, path: str, body: dict[str, Any], code: str) -> None:
    run = {} if "experiment_ids" in body or path == "runs/create" else {"run_id": await mlflow.run()}
    reply = await mlflow.post(path, **run, **body)
    assert (reply.status, reply.json["error_code"]) == (400, code)


async def test_of_a_field_said_twice_in_a_query_the_first_counts(mlflow: Mlflow) -> None:
    run = await mlflow.run()
    assert (await mlflow.get("runs/get", run_id=[run, "zz"])).json["run"]["info"]["run_id"] == run
    assert (await mlflow.get("runs/get", run_id=["zz", run])).status == 404


async def test_a_get_may_have_its_fields_in_a_body_of_any_type(mlflow: Mlflow) -> None:
    body = b'{"experiment_id": "0"}'
    for headers in ({}, {"content-type": "text/plain"}, JSON):
        reply = await mlflow.api.ask("GET", f"{BASE}/experiments/get", body, headers)
        assert (reply.status, reply.json["experiment"]["name"]) == (200, "Default")


async def test_a_post_says_that_it_is_json(mlflow: Mlflow) -> None:
    path, body = f"{BASE}/runs/search", b'{"experiment_ids": ["0"]}'
    for said, why in (("", "header is missing"), ("text/plain", "must be one of ['application/json']")):
        reply = await mlflow.api.ask("POST", path, body, {"content-type": said})
        assert (reply.status, reply.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert why in reply.json["message"]
    assert (await mlflow.api.ask("POST", path, body, {"content-type": "application/json; charset=utf-8"})).status == 200


@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
async def test_another_method_than_an_endpoint_takes_is_told_which_it_does(mlflow: Mlflow, prefix: str) -> None:
    reply = await mlflow.api.ask("POST", f"{prefix}/2.0/mlflow/runs/get", {"run_id": "a"})
    assert (reply.status, reply.headers["allow"]) == (405, "GET")
    assert reply.json["message"] == "POST is not for this endpoint, which takes GET"
    both = await mlflow.api.ask("PUT", f"{prefix}/2.0/mlflow/experiments/search", {})
    assert both.status == 405 and set(both.headers["allow"].split(", ")) == {"GET", "POST"}
