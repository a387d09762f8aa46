"""MLflow's API below ``/w/<workspace>``: each credential x route x workspace, and nothing of another workspace."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.services.gateway_example import SPEC, Api, Reply, running_gateway

from treering.adapters.subscribers import Subscribers
from treering.client.urls import tracking_uri
from treering.domain.compute import CreateCompute
from treering.kernel.subjects import Address
from treering.testing.nats import RunningNats
from treering_services.gateway.mlflow.routes import AJAX, MLFLOW_ROUTES
from treering_services.gateway.policy import CHANGE, CREATE, OPEN, OWNER, READ
from treering_services.gateway.routes import ROUTES

pytestmark = pytest.mark.anyio

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
WORKSPACES = ("w", "v")
MARK = "secret-of-v"
PLACES = {"digest": "sha256:" + "0" * 64, "kinds": "jobs", "ws": "v"}


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        for workspace in ("main", "v"):
            await running.ask("POST", f"/v1/workspaces/{workspace}/create", {})
        await running.send_as("gateway", Address("v", "compute", "local"), CreateCompute("local"))
        yield running


def filled(path: str) -> str:
    return re.sub(r"{(\w+)(:path)?}", lambda place: PLACES.get(place[1], "x"), path)


async def job_token(api: Api, workspace: str) -> str:
    job = Address(workspace, "job", "mine")
    answer = await api.ask("POST", f"/v1/workspaces/{workspace}/jobs", {"name": "mine", "spec": SPEC})
    assert answer.status == 201, answer.body
    return api.tokens.mint_job(await api.started(job), 1)


async def test_a_workspace_in_the_uri_lets_nobody_do_more_than_its_credential_does(api: Api) -> None:
    jobs = {workspace: await job_token(api, workspace) for workspace in WORKSPACES}
    outsiders = {
        "subscriber": Subscribers(api.home.keys).add("s", "w").token,
        "node": api.tokens.mint_node("w", "n1"),
        "join": api.tokens.join,
    }
    lines = [one for one in MLFLOW_ROUTES if one.policy is not OPEN and not one.path.startswith(AJAX)]
    assert len(lines) > 80 and {line.policy for line in lines} == {OWNER, READ, CREATE, CHANGE}
    for line in lines:
        for workspace in WORKSPACES:
            path = f"/w/{workspace}{filled(line.path)}"

            async def reply(token: str, method: str = line.method, path: str = path) -> Reply:
                return await api.ask(method, path, token=token)

            about = (line.method, path)
            assert (await reply("")).status == 401 and (await reply("wrong")).status == 401, about
            for name, token in outsiders.items():
                assert (await reply(token)).status == 403, (*about, name)
            other = next(one for one in WORKSPACES if one != workspace)
            elsewhere = await reply(jobs[other])
            assert elsewhere.status == 403 and b"this token is" in elsewhere.body, about
            own = await reply(jobs[workspace])
            assert (b"this token is" in own.body) == (line.policy is OWNER), (*about, own.body)


async def test_nothing_but_mlflows_api_is_below_a_workspace(api: Api) -> None:
    others = [one for one in ROUTES if one not in MLFLOW_ROUTES]
    paths = [(one.method, f"/w/w{filled(one.path)}") for one in others]
    paths += [("GET", f"/w/w/w/v{API}/runs/get"), ("GET", "/w/w"), ("GET", "/w/"), ("GET", f"/w/..{API}/runs/get")]
    for method, path in paths:
        assert (await api.ask(method, path)).status == 404, (method, path)
    assert (await api.ask("GET", "/w/w/health", token="")).body == b"OK"


async def done(api: Api, method: str, path: str, body: Any = None) -> Any:
    answer = await api.ask(method, path, body)
    assert answer.status == 200, (path, answer.body)
    return answer.json if answer.body else None


async def filled_workspace(api: Api, at: str) -> dict[str, str]:
    """One of everything, each with the mark in what it says; ``at`` is where the workspace's API begins."""
    post = f"{at}{API}"
    experiment = (await done(api, "POST", f"{post}/experiments/create", {"name": MARK}))["experiment_id"]
    asked = {"experiment_id": experiment, "run_name": MARK, "start_time": 1, "tags": [{"key": "t", "value": MARK}]}
    run = (await done(api, "POST", f"{post}/runs/create", asked))["run"]["info"]
    point = {"run_id": run["run_id"], "key": MARK, "value": 1.0, "timestamp": 1, "step": 1}
    await done(api, "POST", f"{post}/runs/log-metric", point)
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    await done(api, "PUT", f"{at}{FILES}/{root}/{MARK}.txt", MARK.encode())
    await done(api, "POST", f"{post}/registered-models/create", {"name": MARK})
    version = {"name": MARK, "source": f"runs:/{run['run_id']}/m", "run_id": run["run_id"]}
    await done(api, "POST", f"{post}/model-versions/create", version)
    await done(api, "POST", f"{post}/registered-models/alias", {"name": MARK, "alias": "best", "version": "1"})
    logged = {"experiment_id": experiment, "name": MARK, "source_run_id": run["run_id"]}
    model = (await done(api, "POST", f"{post}/logged-models", logged))["model"]["info"]["model_id"]
    return {"run": run["run_id"], "experiment": experiment, "root": root, "model": model}


def readings(ids: dict[str, str]) -> list[tuple[str, str, Any]]:
    """Everything that would show it, in its own workspace."""
    run, experiment, model = ids["run"], ids["experiment"], ids["model"]
    everywhere = {"experiment_ids": [experiment, "0"]}
    return [
        ("GET", f"{API}/runs/get?run_id={run}", None),
        ("POST", f"{API}/runs/search", everywhere),
        ("GET", f"{API}/experiments/get?experiment_id={experiment}", None),
        ("GET", f"{API}/experiments/get-by-name?experiment_name={MARK}", None),
        ("POST", f"{API}/experiments/search", {"max_results": 100}),
        ("GET", f"{API}/metrics/get-history?run_id={run}&metric_key={MARK}", None),
        ("GET", f"/ajax-api/2.0/mlflow/metrics/get-history-bulk?run_id={run}&metric_key={MARK}", None),
        ("GET", f"{API}/artifacts/list?run_id={run}", None),
        ("GET", f"{FILES}?path={quote(ids['root'])}", None),
        ("GET", f"{FILES}/{ids['root']}/{MARK}.txt", None),
        ("GET", f"/get-artifact?run_id={run}&path={MARK}.txt", None),
        ("GET", f"{API}/registered-models/get?name={MARK}", None),
        ("GET", f"{API}/registered-models/search", None),
        ("GET", f"{API}/registered-models/alias?name={MARK}&alias=best", None),
        ("GET", f"{API}/model-versions/search", None),
        ("GET", f"{API}/model-versions/get?name={MARK}&version=1", None),
        ("GET", f"{API}/model-versions/get-download-uri?name={MARK}&version=1", None),
        ("GET", f"{API}/logged-models/{model}", None),
        ("POST", f"{API}/logged-models/search", everywhere),
    ]


def shows(answer: Reply, ids: dict[str, str]) -> bool:
    """A refusal may say again what was asked for."""
    told = MARK.encode() in answer.body or ids["run"].encode() in answer.body
    return answer.status == 200 and told


async def test_what_is_in_one_workspace_is_never_shown_in_another(api: Api) -> None:
    ids = await filled_workspace(api, "/w/v")
    token = await job_token(api, "w")
    for method, path, body in readings(ids):
        own = await api.ask(method, f"/w/v{path}", body)
        assert shows(own, ids), (path, own.body)
        for at, credential in [("", None), ("/w/w", None), ("/w/main", None), ("", token), ("/w/w", token)]:
            other = await api.ask(method, f"{at}{path}", body, token=credential)
            assert not shows(other, ids), (at, path, other.body)


async def test_what_is_written_from_another_workspace_changes_nothing(api: Api) -> None:
    ids = await filled_workspace(api, "/w/v")
    before = [await api.ask(method, f"/w/v{path}", body) for method, path, body in readings(ids)]
    run, experiment = {"run_id": ids["run"]}, {"experiment_id": ids["experiment"]}
    for method, path, body in [
        ("POST", f"{API}/runs/set-tag", {**run, "key": "t", "value": "changed"}),
        ("POST", f"{API}/runs/log-metric", {**run, "key": MARK, "value": 2, "timestamp": 2}),
        ("POST", f"{API}/runs/delete", run),
        ("POST", f"{API}/runs/create", experiment),
        ("POST", f"{API}/experiments/delete", experiment),
        ("POST", f"{API}/experiments/update", {**experiment, "new_name": "changed"}),
        ("PUT", f"{FILES}/{ids['root']}/{MARK}.txt", b"changed"),
        ("DELETE", f"{API}/registered-models/delete", {"name": MARK}),
        ("POST", f"{API}/registered-models/rename", {"name": MARK, "new_name": "changed"}),
        ("DELETE", f"{API}/registered-models/alias", {"name": MARK, "alias": "best"}),
        ("DELETE", f"{API}/logged-models/{ids['model']}", None),
    ]:
        for at in ("", "/w/w"):
            await api.ask(method, f"{at}{path}", body)
    after = [await api.ask(method, f"/w/v{path}", body) for method, path, body in readings(ids)]
    assert [one.body for one in after] == [one.body for one in before]


async def test_every_workspace_has_the_experiment_that_clients_log_to_when_nobody_names_one(api: Api) -> None:
    for at in ("", "/w/v", "/w/v/", "/w/w"):
        run = (await done(api, "POST", f"{at}{API}/runs/create", {"experiment_id": "0"}))["run"]["info"]
        found = (await done(api, "GET", f"{at}{API}/experiments/get?experiment_id=0"))["experiment"]
        assert (found["name"], found["experiment_id"]) == ("Default", run["experiment_id"])
    nowhere = await api.ask("POST", f"/w/none{API}/runs/create", {"experiment_id": "0"})
    assert (nowhere.status, nowhere.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "there is no workspace 'none'" in nowhere.json["message"]


async def test_the_parts_of_an_upload_stay_in_their_workspace(api: Api) -> None:
    ids = await filled_workspace(api, "/w/v")
    path = f"/w/v/api/2.0/mlflow-artifacts/mpu/create/{ids['root']}"
    made = await done(api, "POST", path, {"path": "big.bin", "num_parts": 1})
    [part] = made["credentials"]
    assert f":{api.port}/w/v/api/2.0/mlflow-artifacts/mpu/parts/" in part["url"]


async def test_the_uri_of_main_is_the_plain_one() -> None:
    assert [tracking_uri("http://h:1", name) for name in ("", "main", "lab.1")] == [
        "http://h:1", "http://h:1", "http://h:1/w/lab.1",
    ]  # fmt: skip
