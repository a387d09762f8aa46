"""Models over treering's own API: from trees of files, by labels, and as inputs of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import SPEC, Api, running_gateway

from treering.adapters.trees import Manifest, TreeFile
from treering.domain.job_messages import CompleteJob, FailJob, OutputData
from treering.kernel.blobs import digest_of
from treering.kernel.subjects import Address
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


async def tree_of(api: Api, **files: bytes) -> str:
    entries = [TreeFile(name, len(data), await put(api, data), False) for name, data in files.items()]
    return await put(api, msgspec.json.encode(Manifest(tuple(entries))))


async def made(api: Api, **fields: Any) -> str:
    """The code of the refusal, or "" and the version is there."""
    return (await api.ask("POST", f"{WS}/models", {"name": "m", **fields})).code


async def test_an_empty_folder_is_no_model(api: Api) -> None:
    run = (await done(api, "POST", f"{API}/runs/create", {"experiment_id": "0"}))["run"]["info"]["run_id"]
    assert await made(api, digest=await tree_of(api)) == "model.empty"
    assert await made(api, path=f"runs:/{run}/model") == "model.empty"
    assert await made(api, path="runs:/none/model") == "run.absent"
    for path in ("../x", "a/..%2fb"):
        assert await made(api, path=f"runs:/{run}/{path}") == "path.unsafe", path
    assert (await api.ask("GET", f"{WS}/registered_models/m")).status == 404


async def ended(api: Api, name: str, command: Any) -> None:
    """A job that runs on a node, and then ends so."""
    await api.ask("POST", f"{WS}/jobs", {"name": name, "spec": SPEC})
    job = await api.started(Address("main", "job", name))
    if command is not None:
        written = await api.send_as("executor", job, command)
        await api.reader.projector.reached(written.position)


async def test_what_a_job_left_that_did_not_complete_is_a_model_only_if_somebody_says_so(api: Api) -> None:
    outputs = {"net": OutputData(await a_tree(api), 1, 7), "void": OutputData(await tree_of(api), 0, 0)}
    await ended(api, "good", CompleteJob(1, "n1", outputs))
    await ended(api, "bad", FailJob(1, "n1", "exit_code", "it exited with code 1", 1, outputs))
    await ended(api, "busy", None)
    assert await made(api, path="azureml://jobs/good/outputs/net") == ""
    assert await made(api, path="azureml://jobs/good/outputs/void") == "model.empty"
    assert await made(api, path="azureml://jobs/bad/outputs/net") == "model.job_not_completed"
    assert await made(api, path="azureml://jobs/bad/outputs/net", allow_failed=True) == ""
    assert await made(api, path="azureml://jobs/busy/outputs/net", allow_failed=True) == "model.job_not_completed"


MLMODEL = b"flavors:\n  sklearn: {pickled_model: model.pkl}\n"


async def test_the_flavors_of_an_mlflow_model_are_those_of_its_mlmodel(api: Api) -> None:
    saved = await tree_of(api, MLmodel=MLMODEL, other=b"x")
    kinds: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"type": "mlflow_model"}, {"sklearn": {"pickled_model": "model.pkl"}}),
        ({"type": "mlflow_model", "flavors": {"mine": {}}}, {"mine": {}}),
        ({"type": "custom_model"}, {}),
    ]
    for fields, flavors in kinds:
        key = (await done(api, "POST", f"{WS}/models", {"name": "m", "digest": saved, **fields}))["name"]
        assert (await shown(api, f"{WS}/models/{key}"))["state"]["spec"].get("flavors", {}) == flavors
    for digest in (await a_tree(api), await tree_of(api, MLmodel=b"flavors: ["), await tree_of(api, MLmodel=b"a: b")):
        assert await made(api, digest=digest, type="mlflow_model") == "model.mlmodel"


async def test_the_flavors_of_a_model_that_a_client_of_mlflow_registers_are_known_too(api: Api) -> None:
    run = (await done(api, "POST", f"{API}/runs/create", {"experiment_id": "0"}))["run"]["info"]
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    await done(api, "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{root}/net/MLmodel", MLMODEL)
    await done(api, "POST", f"{API}/registered-models/create", {"name": "net"})
    for path, flavors in [("net", {"sklearn": {"pickled_model": "model.pkl"}}), ("none", {})]:
        asked = {"name": "net", "source": f"runs:/{run['run_id']}/{path}", "run_id": run["run_id"]}
        made = await done(api, "POST", f"{API}/model-versions/create", asked)
        found = await shown(api, f"{WS}/models/net:{made['model_version']['version']}")
        assert found["state"]["spec"].get("flavors", {}) == flavors


async def shown(api: Api, path: str) -> Any:
    """A resource as the lists show it, when everything that was written is shown."""
    return await done(api, "GET", f"{path}?after={await api.reader.projector.log.head()}")


async def test_what_was_archived_before_it_was_deleted_is_archived_when_it_is_restored(api: Api) -> None:
    digest = await a_tree(api)
    for _ in range(2):
        await done(api, "POST", f"{WS}/models", {"name": "m", "digest": digest})
    paths = [f"{WS}/models/m:1", f"{WS}/models/m:2", f"{WS}/registered_models/m"]
    for path in (paths[0], paths[2]):
        await done(api, "POST", f"{path}/archive", {})
    for path in (paths[0], paths[2]):  # the version by itself, then what is left with its model
        for command, statuses in [("delete", "deleted"), ("restore", "archived")]:
            await done(api, "POST", f"{path}/{command}", {})
            assert (await shown(api, path))["status"] == statuses
    assert [(await shown(api, path))["status"] for path in paths] == ["archived", "active", "archived"]
    await done(api, "POST", f"{paths[0]}/restore", {})
    assert (await shown(api, paths[0]))["status"] == "active"


async def test_a_version_comes_back_with_its_aliases_and_each_of_them_is_an_event(api: Api) -> None:
    digest = await a_tree(api)
    for _ in range(2):
        await done(api, "POST", f"{WS}/models", {"name": "m", "digest": digest})
    for alias in ("best", "next"):
        await done(api, "POST", f"{API}/registered-models/alias", {"name": "m", "alias": alias, "version": "1"})
    await done(api, "POST", f"{WS}/models/m:1/delete", {})
    await done(api, "POST", f"{API}/registered-models/alias", {"name": "m", "alias": "next", "version": "2"})
    await done(api, "POST", f"{WS}/models/m:1/restore", {})
    found = await shown(api, f"{WS}/registered_models/m")
    assert found["state"]["holding"]["aliases"] == {"best": 1, "next": 2}
    events = await api.events("/v1/events?kind=registered_model&type=registered_model.alias_*&since=0", 6)
    said = [(one["event"].rpartition("_")[2], msgspec.json.decode(one["data"])["data"]) for one in events]
    assert [(word, one["alias"], one["version"]) for word, one in said] == [
        ("assigned", "best", 1), ("assigned", "next", 1), ("removed", "best", 1), ("removed", "next", 1),
        ("assigned", "next", 2), ("assigned", "best", 1),
    ]  # fmt: skip


async def test_nothing_of_a_deleted_model_comes_into_a_newer_one_of_the_name(api: Api) -> None:
    digest = await a_tree(api)

    async def version() -> None:
        await done(api, "POST", f"{WS}/models", {"name": "netz", "digest": digest})

    async def label(alias: str, version: str) -> None:
        body = {"name": "netz", "alias": alias, "version": version}
        await done(api, "POST", f"{API}/registered-models/alias", body)

    for _ in range(2):
        await version()
    for alias, number in (("prod", "1"), ("best", "2")):
        await label(alias, number)
    await done(api, "POST", f"{WS}/registered_models/netz/delete", {})
    await version()
    await label("best", "1")
    assert (await done(api, "POST", f"{WS}/registered_models/netz/restore", {}))["changed"] is False
    found = await shown(api, f"{WS}/registered_models/netz")
    assert found["state"]["holding"]["aliases"] == {"best": 1}
    assert (await shown(api, f"{WS}/models/netz:2"))["status"] == "deleted"
    earlier = await api.ask("POST", f"{WS}/models/netz:2/restore", {})
    assert (earlier.status, earlier.code) == (409, "model.earlier")


async def test_a_renamed_model_is_as_old_as_it_was_and_what_was_deleted_before_can_be_restored(api: Api) -> None:
    digest = await a_tree(api)
    for _ in range(2):
        await done(api, "POST", f"{WS}/models", {"name": "old", "digest": digest})
    await done(api, "POST", f"{WS}/models/old:1/archive", {})
    await done(api, "POST", f"{WS}/models/old:1/delete", {})
    await done(api, "POST", f"{WS}/registered_models/old/archive", {})
    names = ("registered_models/{}", "models/{}:2")
    before = [await shown(api, f"{WS}/{name.format('old')}") for name in names]
    await done(api, "POST", f"{WS}/registered_models/old/rename", {"name": "new"})
    after = [await shown(api, f"{WS}/{name.format('new')}") for name in names]
    assert [(one["created_at"], one["created_by"], one["status"]) for one in after] == [
        (one["created_at"], one["created_by"], one["status"]) for one in before
    ]
    assert after[0]["status"] == "archived"
    assert (await shown(api, f"{WS}/models/new:1"))["status"] == "deleted"
    await done(api, "POST", f"{WS}/models/new:1/restore", {})
    assert (await shown(api, f"{WS}/models/new:1"))["status"] == "archived"
    # A model of its own under the old name is as old as it is.
    await done(api, "POST", f"{WS}/models", {"name": "old", "digest": digest})
    assert (await shown(api, f"{WS}/registered_models/old"))["created_at"] > before[0]["created_at"]


@pytest.mark.parametrize("command", ["create", "add_version", "transfer", "rename"])
async def test_a_command_that_would_say_one_without_the_others_has_its_own_route(api: Api, command: str) -> None:
    path = f"{WS}/registered_models/m/{command}"
    answer = await api.ask("POST", path, {"name": "../x"} if command == "rename" else {})
    assert (answer.status, answer.code) in [(403, "command.forbidden"), (404, "registered_model.absent")]
