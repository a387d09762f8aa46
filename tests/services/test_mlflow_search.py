"""Searches and histories over MLflow's API, and what a job's token may do there."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.services.gateway_example import Api
from tests.services.mlflow_example import BASE, Mlflow, mlflow_gateway, pairs

from treering.domain.experiment_messages import CreateExperiment
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio


@pytest.fixture
async def mlflow(nats_server: RunningNats) -> AsyncIterator[Mlflow]:
    async with mlflow_gateway(nats_server) as running:
        yield running


@pytest.fixture(scope="module")
async def shared(shared_api: Api) -> Mlflow:
    """For tests that leave nothing behind."""
    return Mlflow(shared_api)


async def found(mlflow: Mlflow, **fields: Any) -> list[str]:
    answer = await mlflow.done("runs/search", **fields)
    return [run["info"]["run_name"] for run in answer.get("runs", [])]


async def test_runs_are_found_by_what_was_just_logged(mlflow: Mlflow) -> None:
    number = await mlflow.experiment("digits")
    for name, value in (("low", 0.1), ("high", 0.9), ("nan", "NaN")):
        run_id = await mlflow.run(number, run_name=name)
        point = {"key": "acc", "value": value, "timestamp": 1}
        await mlflow.done("runs/log-batch", run_id=run_id, metrics=[point], params=[{"key": "p", "value": name}])
    await mlflow.run(number, run_name="none")
    of = {"experiment_ids": [number]}
    assert await found(mlflow, **of, filter="metrics.acc > 0.5 and params.p LIKE 'h%'") == ["high"]
    assert await found(mlflow, **of, order_by=["metrics.acc DESC"]) == ["high", "low", "nan", "none"]
    assert await found(mlflow, **of, order_by=["metrics.acc ASC"]) == ["low", "high", "nan", "none"]
    assert sorted(await found(mlflow, **of, filter="params.p IS NULL")) == ["none"]
    assert await found(mlflow, experiment_ids=[]) == []
    assert await found(mlflow, experiment_ids=["0"]) == []


async def test_pages_have_every_run_once_and_a_forged_token_is_refused(mlflow: Mlflow) -> None:
    names = [f"r{number}" for number in range(5)]
    for name in names:
        await mlflow.run(run_name=name)
    seen: list[str] = []
    token = ""
    while True:
        page = await mlflow.done("runs/search", experiment_ids=["0"], max_results=2, page_token=token)
        seen += [run["info"]["run_name"] for run in page["runs"]]
        token = page.get("next_page_token", "")
        if not token:
            break
    assert sorted(seen) == names
    for forged in ("abc", "%%%", base64.b64encode(b'{"offset":-1}').decode(), base64.b64encode(b"[" * 2000).decode()):
        for path in ("runs/search", "experiments/search"):
            fields = {"experiment_ids": ["0"], "max_results": 5, "page_token": forged}
            assert await mlflow.refused(path, **fields) == "INVALID_PARAMETER_VALUE", forged


@pytest.mark.parametrize(
    "fields",
    [
        {"filter": "params.p = 'a' OR params.p = 'b'"}, {"filter": "metrics.m > 'x'"}, {"filter": "(" * 10_000},
        {"filter": "params.p LIKE '" + "%" * 2000 + "'"}, {"filter": 'tags."a = 1'}, {"filter": 7},
        {"filter": "params.p = 'x'; DROP TABLE runs"}, {"order_by": ["metrics.m FOO"]}, {"order_by": ["nope"]},
        {"order_by": ["metrics.m", "metrics.m DESC"]}, {"max_results": 0}, {"max_results": 50_001},
        {"experiment_ids": ["x"]}, {"experiment_ids": "0"}, {"order_by": [None] * 50 + ["x"] * 50},
    ],
)  # fmt: skip
async def test_a_bad_search_is_refused_and_a_good_one_beside_it_is_not(shared: Mlflow, fields: dict[str, Any]) -> None:
    assert await shared.refused("runs/search", **{"experiment_ids": ["0"], **fields}) == "INVALID_PARAMETER_VALUE"
    await shared.done("runs/search", experiment_ids=["0"], filter="params.p = 'a''b' and tags.`x y` ILIKE '%'")


async def test_experiments_are_found_by_name_and_tag(mlflow: Mlflow) -> None:
    first = await mlflow.experiment("a-one")
    await mlflow.experiment("b-two")
    await mlflow.done("experiments/set-experiment-tag", experiment_id=first, key="k", value="v")

    async def names(**fields: Any) -> list[str]:
        answer = await mlflow.done("experiments/search", max_results=10, **fields)
        return [one["name"] for one in answer.get("experiments", [])]

    assert await names() == ["b-two", "a-one", "Default"]
    assert await names(filter="name LIKE '%-%'", order_by=["name ASC"]) == ["a-one", "b-two"]
    assert await names(filter="tags.k = 'v'") == ["a-one"]
    assert await names(filter=f"experiment_id IN ('{first}', '0')", order_by=["name"]) == ["Default", "a-one"]
    await mlflow.done("experiments/delete", experiment_id=first)
    assert await names(view_type="DELETED_ONLY") == ["a-one"]


async def test_a_history_comes_whole_or_by_page_with_each_point_once(mlflow: Mlflow) -> None:
    run_id = await mlflow.run()
    points = [{"key": "m", "value": step / 7, "timestamp": step, "step": step} for step in range(600)]
    for _ in range(2):
        await mlflow.done("runs/log-batch", run_id=run_id, metrics=points)
    whole = (await mlflow.get("metrics/get-history", run_id=run_id, metric_key="m")).json["metrics"]
    assert whole == points
    paged: list[Any] = []
    token = ""
    while True:
        fields = {"run_id": run_id, "metric_key": "m", "max_results": 250, "page_token": token}
        page = (await mlflow.get("metrics/get-history", **fields)).json
        paged += page["metrics"]
        token = page.get("next_page_token", "")
        if not token:
            break
    assert paged == points
    assert (await mlflow.get("metrics/get-history", run_id=run_id, metric_key="none")).json == {}
    fields = {"run_ids": [run_id], "metric_key": "m", "max_results": 10, "start_step": 100, "end_step": 399}
    sample = (await mlflow.get("metrics/get-history-bulk-interval", **fields)).json["metrics"]
    assert [one["step"] for one in sample] == [*range(100, 370, 30), 399]


async def test_a_job_logs_to_its_own_run_and_to_those_it_made(mlflow: Mlflow) -> None:
    # Given a job that runs, whose run is there before its script says anything,
    api = mlflow.api
    await api.send_as("gateway", Address("w", "experiment", "Default"), CreateExperiment())
    job = await api.held("digits")
    script = Mlflow(api, api.tokens.mint_job(job, 1))
    # when the script logs to it, and to a run of its own making, then both are there,
    await script.done("runs/log-metric", run_id="digits", key="loss", value=1, timestamp=1)
    await script.done("runs/log-parameter", run_id="digits", key="rate", value="0.1")
    nested = await script.run("0")
    await script.done("runs/set-tag", run_id=nested, key="mlflow.parentRunId", value="digits")
    run = await script.shown("digits")
    assert run["info"]["status"] == "RUNNING"
    assert pairs(run["data"]["params"]) == {"rate": "0.1"}
    assert pairs(run["data"]["metrics"]) == {"loss": 1.0}
    # and the run of another job is not its to write to.
    await api.submitted("other")
    assert await script.refused("runs/log-parameter", run_id="other", key="rate", value="1") == "PERMISSION_DENIED"
    assert await script.refused("runs/delete", run_id="other") == "PERMISSION_DENIED"


async def test_what_a_script_says_takes_the_place_of_what_its_job_said(mlflow: Mlflow) -> None:
    # Given a job with an input and a tag, which its run shows,
    api = mlflow.api
    inputs = {"rate": {"type": "number", "value": 0.5}, "depth": {"type": "integer", "value": 3}}
    job = await api.held("digits", inputs=inputs, tags={"team": "vision", "stage": "draft"})
    script = Mlflow(api, api.tokens.mint_job(job, 1))
    await script.done("runs/log-metric", run_id="digits", key="m", value=1, timestamp=1)
    await script.done("runs/set-tag", run_id="digits", key="first", value="1")
    assert pairs((await script.shown("digits"))["data"]["params"]) == {"rate": "0.5", "depth": "3"}
    # when its script logs them otherwise, then that is shown; a second value is refused as ever.
    await script.done("runs/log-parameter", run_id="digits", key="rate", value="0.50")
    assert (
        await script.refused("runs/log-parameter", run_id="digits", key="rate", value="1") == "INVALID_PARAMETER_VALUE"
    )
    await script.done("runs/delete-tag", run_id="digits", key="stage")
    await script.done("runs/set-tag", run_id="digits", key="team", value="speech")
    run = await script.shown("digits")
    assert pairs(run["data"]["params"]) == {"rate": "0.50", "depth": "3"}
    tags = pairs(run["data"]["tags"])
    assert tags["team"] == "speech" and tags["mlflow.source.type"] == "JOB" and "stage" not in tags


async def test_without_a_token_the_answer_is_mlflows(mlflow: Mlflow) -> None:
    reply = await mlflow.api.ask("POST", f"{BASE}/runs/search", {}, token="")
    assert (reply.status, reply.json["error_code"]) == (401, "UNAUTHENTICATED")
