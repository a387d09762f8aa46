"""Experiments and runs over MLflow's API, on a real log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.services.gateway_example import Api
from tests.services.mlflow_example import BASE, Mlflow, mlflow_gateway, pairs

from treering.kernel.gathered import GATHERED_MAX
from treering.kernel.service import Service
from treering.testing.nats import RunningNats
from treering.views.tracking import TrackingView
from treering_services.base import ServiceBase, opened_view
from treering_services.gateway import service as gateway

pytestmark = pytest.mark.anyio


@pytest.fixture
async def mlflow(nats_server: RunningNats) -> AsyncIterator[Mlflow]:
    async with mlflow_gateway(nats_server) as running:
        yield running


@pytest.fixture(scope="module")
async def shared(shared_api: Api) -> Mlflow:
    """For tests that leave nothing behind."""
    return Mlflow(shared_api)


async def test_what_a_script_logs_is_what_is_read_back_at_once(mlflow: Mlflow) -> None:
    run_id = await mlflow.run(tags=[{"key": "team", "value": "vision"}], run_name="first")
    await mlflow.done("runs/log-parameter", run_id=run_id, key="rate", value="0.1")
    await mlflow.done("runs/log-metric", run_id=run_id, key="loss", value=0.5, timestamp=7, step=3)
    await mlflow.done("runs/set-tag", run_id=run_id, key="team", value="speech")
    await mlflow.done(
        "runs/log-batch",
        run_id=run_id,
        metrics=[
            {"key": "loss", "value": "NaN", "timestamp": "8", "step": "4"},
            {"key": "acc", "value": 1, "timestamp": 1},
        ],
        params=[{"key": "depth", "value": "3"}],
        tags=[{"key": "stage", "value": "train"}],
    )
    run = await mlflow.shown(run_id)
    assert pairs(run["data"]["params"]) == {"rate": "0.1", "depth": "3"}
    assert pairs(run["data"]["tags"]) == {"team": "speech", "stage": "train", "mlflow.runName": "first"}
    assert {one["key"]: (one["value"], one["timestamp"], one["step"]) for one in run["data"]["metrics"]} == {
        "loss": ("NaN", 8, 4),
        "acc": (1.0, 1, 0),
    }
    info = run["info"]
    assert (info["status"], info["experiment_id"], info["lifecycle_stage"]) == ("RUNNING", "0", "active")
    assert info["artifact_uri"] == f"mlflow-artifacts:/0/{run_id}/artifacts"
    before_1970 = await mlflow.done("runs/update", run_id=run_id, status="FINISHED", end_time=-123)
    assert before_1970["run_info"]["end_time"] == -123
    ended = await mlflow.done("runs/update", run_id=run_id, status="FINISHED", end_time=9)
    assert (ended["run_info"]["status"], ended["run_info"]["end_time"]) == ("FINISHED", 9)


async def test_of_two_clients_that_write_a_parameter_one_wins_and_the_other_is_told(mlflow: Mlflow) -> None:
    run_id = await mlflow.run()
    replies = await asyncio.gather(
        *(mlflow.post("runs/log-parameter", run_id=run_id, key="p", value=value) for value in "abcdefgh")
    )
    won = [value for value, reply in zip("abcdefgh", replies, strict=True) if reply.status == 200]
    assert len(won) == 1
    lost = [reply.json for reply in replies if reply.status == 400]
    assert len(lost) == 7
    assert all("Changing param values is not allowed" in body["message"] for body in lost)
    assert pairs((await mlflow.shown(run_id))["data"]["params"]) == {"p": won[0]}


async def test_a_batch_with_one_bad_part_leaves_nothing(mlflow: Mlflow) -> None:
    run_id = await mlflow.run(run_name="r")
    await mlflow.done("runs/log-parameter", run_id=run_id, key="p", value="1")
    point = {"key": "m", "value": 1, "timestamp": 1}
    bad: list[dict[str, object]] = [
        {"params": [{"key": "p", "value": "2"}]},
        {"params": [{"key": "q", "value": "1"}, {"key": "q", "value": "1"}]},
        {"params": [{"key": "../q", "value": "1"}]},
        {"tags": [{"key": "", "value": "1"}]},
        {"metrics": [point, {"key": "m", "value": 1}]},
        {"metrics": [point, {**point, "timestamp": -1}]},
        {"metrics": [point, {**point, "value": "many"}]},
        {"metrics": [point] * 1001},
    ]
    for part in bad:
        whole = {
            "metrics": [point],
            "params": [{"key": "new", "value": "1"}],
            "tags": [{"key": "t", "value": "1"}],
            **part,
        }
        assert await mlflow.refused("runs/log-batch", run_id=run_id, **whole) == "INVALID_PARAMETER_VALUE", part
    data = (await mlflow.shown(run_id))["data"]
    assert pairs(data["params"]) == {"p": "1"}
    assert pairs(data["tags"]) == {"mlflow.runName": "r"}
    assert "metrics" not in data


async def test_a_metric_is_of_a_logged_model_that_there_is_or_was(mlflow: Mlflow) -> None:
    run_id = await mlflow.run()
    made = (await mlflow.api.ask("POST", "/api/2.0/mlflow/logged-models", {"experiment_id": "0"})).json
    model_id = made["model"]["info"]["model_id"]
    point = {"key": "acc", "value": 1, "timestamp": 1}
    await mlflow.done("runs/log-metric", run_id=run_id, **point, model_id=model_id)
    absent = {**point, "model_id": "m-none"}
    assert await mlflow.refused("runs/log-metric", run_id=run_id, **absent) == "RESOURCE_DOES_NOT_EXIST"
    batch = {"metrics": [point, absent], "params": [{"key": "p", "value": "1"}]}
    assert await mlflow.refused("runs/log-batch", run_id=run_id, **batch) == "RESOURCE_DOES_NOT_EXIST"
    assert "params" not in (await mlflow.shown(run_id))["data"]
    await mlflow.api.ask("DELETE", f"/api/2.0/mlflow/logged-models/{model_id}")
    await mlflow.done("runs/log-metric", run_id=run_id, **point, model_id=model_id)


async def test_a_run_has_metrics_of_so_many_names_and_goes_on_with_those_it_has(mlflow: Mlflow) -> None:
    run_id, batch = await mlflow.run(), 1000
    for start in range(0, GATHERED_MAX, batch):
        metrics = [{"key": f"m{start + each}", "value": 1, "timestamp": 1} for each in range(batch)]
        await mlflow.done("runs/log-batch", run_id=run_id, metrics=metrics)
        await mlflow.done("runs/log-batch", run_id=run_id, metrics=metrics[:1])
    assert len((await mlflow.shown(run_id))["data"]["metrics"]) == GATHERED_MAX
    refused = await mlflow.post("runs/log-metric", run_id=run_id, key="more", value=1, timestamp=1)
    assert (refused.status, "10001 metrics" in refused.json["message"]) == (400, True), refused.body
    await mlflow.done("runs/log-metric", run_id=run_id, key="m1", value=2, timestamp=2)


async def test_a_deleted_run_takes_nothing_until_it_is_restored(mlflow: Mlflow) -> None:
    run_id = await mlflow.run()
    await mlflow.done("runs/delete", run_id=run_id)
    await mlflow.done("runs/delete", run_id=run_id)
    assert (await mlflow.shown(run_id))["info"]["lifecycle_stage"] == "deleted"
    for path, fields in (
        ("log-metric", {"key": "m", "value": 1, "timestamp": 1}),
        ("log-parameter", {"key": "p", "value": "1"}),
        ("update", {"status": "FINISHED"}),
    ):
        reply = await mlflow.post(f"runs/{path}", run_id=run_id, **fields)
        assert "must be in the 'active' state" in reply.json["message"]
    await mlflow.done("runs/restore", run_id=run_id)
    await mlflow.done("runs/log-metric", run_id=run_id, key="m", value=1, timestamp=1)


async def test_an_experiment_takes_its_runs_with_it_and_brings_them_back(mlflow: Mlflow) -> None:
    number = await mlflow.experiment("digits")
    kept, deleted = await mlflow.run(number), await mlflow.run(number)
    await mlflow.done("runs/delete", run_id=deleted)
    await mlflow.done("experiments/delete", experiment_id=number)
    assert (await mlflow.shown(kept))["info"]["lifecycle_stage"] == "deleted"
    assert await mlflow.refused("experiments/delete", experiment_id=number) == "RESOURCE_DOES_NOT_EXIST"
    assert await mlflow.refused("runs/create", experiment_id=number) == "INVALID_PARAMETER_VALUE"
    assert await mlflow.refused("experiments/create", name="digits") == "RESOURCE_ALREADY_EXISTS"
    await mlflow.done("experiments/restore", experiment_id=number)
    assert (await mlflow.shown(kept))["info"]["lifecycle_stage"] == "active"
    assert (await mlflow.shown(deleted))["info"]["lifecycle_stage"] == "deleted"


@pytest.mark.parametrize("names", [("digits", "numbers"), ("my digits", "ünï codes"), ("a/b", "numbers")])
async def test_a_renamed_experiment_gives_its_name_back_and_takes_the_new_one(
    mlflow: Mlflow, names: tuple[str, str]
) -> None:
    old, new = names
    number = await mlflow.experiment(old)
    await mlflow.done("experiments/update", experiment_id=number, new_name=new)
    # The new name is taken and the old one is free, also over several rounds.
    assert await mlflow.refused("experiments/create", name=new) == "RESOURCE_ALREADY_EXISTS"
    other = await mlflow.experiment(old)
    assert other != number
    assert await mlflow.refused("experiments/create", name=old) == "RESOURCE_ALREADY_EXISTS"
    assert await mlflow.refused("experiments/update", experiment_id=number, new_name=old) == "RESOURCE_ALREADY_EXISTS"
    await mlflow.done("experiments/update", experiment_id=other, new_name="third")
    await mlflow.done("experiments/update", experiment_id=number, new_name=old)
    for name, wanted in ((old, number), ("third", other)):
        found = (await mlflow.get("experiments/get-by-name", experiment_name=name)).json["experiment"]
        assert found["experiment_id"] == wanted
    assert (await mlflow.get("experiments/get-by-name", experiment_name=new)).status == 404


async def test_of_many_that_create_one_name_at_once_one_does(mlflow: Mlflow) -> None:
    replies = await asyncio.gather(*(mlflow.post("experiments/create", name="same one") for _ in range(8)))
    assert sorted(reply.status for reply in replies) == [200, *[400] * 7]


async def test_requests_are_read_as_protobuf_reads_them(mlflow: Mlflow) -> None:
    run_id = await mlflow.run()
    headers = {"content-type": "application/json"}
    # Given unknown fields, numbers as strings, nulls, a bare NaN and an object encoded twice, all are taken.
    for body in (
        f'{{"run_id":"{run_id}","run_uuid":"{run_id}","key":"a","value":"1.5","timestamp":"1","step":null,"z":[]}}',
        f'{{"run_uuid":"{run_id}","key":"b","value":NaN,"timestamp":1}}',
        f'"{{\\"run_id\\":\\"{run_id}\\",\\"key\\":\\"c\\",\\"value\\":\\"Infinity\\",\\"timestamp\\":1}}"',
    ):
        reply = await mlflow.api.ask("POST", f"{BASE}/runs/log-metric", body.encode(), headers)
        assert reply.status == 200, reply.body
    values = pairs((await mlflow.shown(run_id))["data"]["metrics"])
    assert values == {"a": 1.5, "b": "NaN", "c": 1.7976931348623157e308}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"{"',
        b"\xff\xfe",
        b'{"run_id":' + b"[" * 100_000,
        b'{"run_id":3}',
        b'{"key":"a"}',
        b"null",
        b'"\\ud800"',
    ],
)
async def test_no_body_is_answered_with_a_failure_of_ours(shared: Mlflow, body: bytes) -> None:
    for path in ("runs/log-metric", "runs/log-batch", "runs/create", "experiments/create", "runs/log-inputs"):
        reply = await shared.api.ask("POST", f"{BASE}/{path}", body)
        assert reply.status < 500, (path, body[:20], reply.body)
        assert reply.status == 200 or reply.json["error_code"]


async def test_inputs_and_outputs_are_shown_once(mlflow: Mlflow) -> None:
    run_id = await mlflow.run()
    dataset = {"name": "d", "digest": "1", "source_type": "http", "source": "here", "schema": "{}"}
    used = {"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "training"}]}
    made = [await mlflow.done("logged-models", experiment_id="0") for _ in range(2)]
    first, second = (one["model"]["info"]["model_id"] for one in made)
    for _ in range(2):
        await mlflow.done("runs/log-inputs", run_id=run_id, datasets=[used, used], models=[{"model_id": first}])
        await mlflow.done("runs/outputs", run_id=run_id, models=[{"model_id": second, "step": 3}])
    run = await mlflow.shown(run_id)
    assert run["inputs"] == {"model_inputs": [{"model_id": first}], "dataset_inputs": [used]}
    assert run["outputs"] == {"model_outputs": [{"model_id": second, "step": 3}]}


async def test_points_survive_a_stream_that_was_lost_and_new_ones_are_taken(mlflow: Mlflow) -> None:
    # Given a gateway whose view has points of a stream that is no longer the one it followed,
    run_id = await mlflow.run()
    await mlflow.done("runs/log-metric", run_id=run_id, key="old", value=1, timestamp=1)
    await mlflow.shown(run_id)
    api = mlflow.api
    await api.service.stop()
    async with opened_view(api.home, "gateway", TrackingView()) as store:
        sql = "UPDATE streams SET position = 7, hash = 'of another'"
        await store.read(lambda db: db.execute(sql))
    # when it starts again, then the old points are shown, and so are new ones.
    base = ServiceBase(api.home, api.nats.urls)
    again = Service(
        "gateway", lambda ready: gateway.run(base, api.reader, ready, host="127.0.0.1", port=api.port, auth=True)
    )
    await again.start()
    try:
        await mlflow.done("runs/log-metric", run_id=run_id, key="new", value=2, timestamp=1)
        assert pairs((await mlflow.shown(run_id))["data"]["metrics"]) == {"old": 1.0, "new": 2.0}
    finally:
        await again.stop()
