"""Models over treering's own API: from trees of files, by labels, and as inputs of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import SPEC, Api, running_gateway

from treering.adapters.trees import Manifest, TreeFile
from treering.kernel.blobs import digest_of
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio

WS = "/v1/workspaces/main"
API = "/api/2.0/mlflow"
CONTENT = b"weights"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        await running.ask("POST", f"{WS}/create")
        await running.ask("POST", f"{WS}/computes/local/create", {"compute_type": "local"})
        yield running


async def done(api: Api, method: str, path: str, body: Any = None) -> Any:
    answer = await api.ask(method, path, body)
    assert answer.status in (200, 201), answer.body
    return answer.json if answer.body else None


async def put(api: Api, data: bytes) -> str:
    digest = digest_of(data)
    await done(api, "PUT", f"/v1/blobs/{digest}", data)
    return digest


async def a_tree(api: Api) -> str:
    files = (TreeFile("w.bin", len(CONTENT), await put(api, CONTENT), False),)
    return await put(api, msgspec.json.encode(Manifest(files)))


async def job_input(api: Api, path: str, type: str = "custom_model") -> Any:
    spec = {**SPEC, "inputs": {"model": {"type": type, "path": path}}}
    return await api.ask("POST", f"{WS}/jobs", {"spec": spec})


async def test_a_retried_request_makes_one_version(api: Api) -> None:
    body, key = {"name": "m", "digest": await a_tree(api)}, {"idempotency-key": "once"}
    made = [await api.ask("POST", f"{WS}/models", body, key) for _ in range(2)]
    assert [one.json["name"] for one in made] == ["m:1", "m:1"]
    assert [one.json["changed"] for one in made] == [True, False]


async def test_mlflows_clients_find_the_files_of_a_tree_and_cannot_change_them(api: Api) -> None:
    await done(api, "POST", f"{WS}/models", {"name": "m", "digest": await a_tree(api)})
    uri = (await done(api, "GET", f"{API}/model-versions/get-download-uri?name=m&version=1"))["artifact_uri"]
    path = uri.removeprefix("mlflow-artifacts:/")
    proxy = "/api/2.0/mlflow-artifacts/artifacts"
    listed = await done(api, "GET", f"{proxy}?path={path}")
    assert listed["files"] == [{"path": "w.bin", "is_dir": False, "file_size": len(CONTENT)}]
    assert (await api.ask("GET", f"{proxy}/{path}/w.bin")).body == CONTENT
    put_there = await api.ask("PUT", f"{proxy}/{path}/x.bin", b"x")
    removed = await api.ask("DELETE", f"{proxy}/{path}/w.bin")
    assert (put_there.status, removed.status) == (400, 400)


async def test_a_job_is_given_a_model_by_label_and_keeps_the_version_it_was_given(api: Api) -> None:
    digest = await a_tree(api)
    await done(api, "POST", f"{WS}/models", {"name": "m", "digest": digest})
    submitted = await job_input(api, "azureml:m@latest")
    given = submitted.json["state"]["spec"]["inputs"]["model"]
    assert (given["path"], given["digest"]) == ("azureml:m:1", digest)
    for path, status, code in [
        ("azureml:m:2", 404, "model.absent"),
        ("azureml:m@champion", 404, "model.absent"),
        ("azureml:none", 404, "model.absent"),
    ]:
        answer = await job_input(api, path)
        assert (answer.status, answer.code) == (status, code)


async def test_a_job_is_given_the_files_a_run_logged(api: Api) -> None:
    run = (await done(api, "POST", f"{API}/runs/create", {"experiment_id": "0"}))["run"]["info"]
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    await done(api, "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{root}/net/w.bin", CONTENT)
    await done(api, "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{root}/other.txt", b"other")
    await done(api, "POST", f"{API}/registered-models/create", {"name": "net"})
    version = {"name": "net", "source": f"runs:/{run['run_id']}/net", "run_id": run["run_id"]}
    await done(api, "POST", f"{API}/model-versions/create", version)
    submitted = await job_input(api, "azureml:net:1", "mlflow_model")
    digest = submitted.json["state"]["spec"]["inputs"]["model"]["digest"]
    manifest = msgspec.json.decode((await api.ask("GET", f"/v1/blobs/{digest}")).body, type=Manifest)
    assert [(file.path, file.digest) for file in manifest.files] == [("w.bin", digest_of(CONTENT))]


async def test_a_version_of_an_object_store_has_no_files_for_a_job(api: Api) -> None:
    await done(api, "POST", f"{API}/registered-models/create", {"name": "far"})
    await done(api, "POST", f"{API}/model-versions/create", {"name": "far", "source": "s3://b/x"})
    answer = await job_input(api, "azureml:far:1")
    assert (answer.status, answer.code) == (400, "model.path")


async def test_a_deleted_model_is_restored_with_what_was_deleted_with_it(api: Api) -> None:
    digest = await a_tree(api)
    for _ in range(3):
        await done(api, "POST", f"{WS}/models", {"name": "m", "digest": digest})
    await done(api, "POST", f"{WS}/models/m:1/delete", {})
    written = await done(api, "POST", f"{WS}/registered_models/m/delete", {})
    gone = await done(api, "GET", f"{WS}/registered_models/m?after={written['position']}")
    assert gone["status"] == "deleted"
    await done(api, "POST", f"{WS}/registered_models/m/restore", {})
    found = (await done(api, "GET", f"{API}/model-versions/search"))["model_versions"]
    assert sorted(one["version"] for one in found) == ["2", "3"]


@pytest.mark.parametrize("command", ["create", "add_version", "transfer", "rename"])
async def test_a_command_that_would_say_one_without_the_others_has_its_own_route(api: Api, command: str) -> None:
    path = f"{WS}/registered_models/m/{command}"
    answer = await api.ask("POST", path, {"name": "../x"} if command == "rename" else {})
    assert (answer.status, answer.code) in [(403, "command.forbidden"), (404, "registered_model.absent")]
