"""A version has the files that there were when it was registered, whatever becomes of the place they came from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from tests.services.gateway_example import WS, Api, running_gateway

from treering.adapters.trees import Manifest, TreeFile
from treering.domain.job_messages import CompleteJob, OutputData
from treering.kernel.blobs import digest_of
from treering.testing.nats import RunningNats
from treering_services.gateway import model_origins

pytestmark = pytest.mark.anyio

MLFLOW = "/w/w/api/2.0/mlflow"
PROXY = "/w/w/api/2.0/mlflow-artifacts/artifacts"
FILE = {"w.bin": digest_of(b"before")}


class Logged(NamedTuple):
    """A run and a logged model that have the same files in ``net``; ``root`` and ``own`` are their addresses."""

    run_id: str
    root: str
    model_id: str
    own: str


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        await done(running, "POST", f"{MLFLOW}/registered-models/create", {"name": "m"})
        yield running


async def done(api: Api, method: str, path: str, body: Any = None) -> Any:
    answer = await api.ask(method, path, body)
    assert answer.status in (200, 201), (path, answer.body)
    return answer.json if answer.body else None


@pytest.fixture
async def logged(api: Api) -> Logged:
    """By the run of job ``j``, which has completed."""
    job = await api.held("j")
    root = (await done(api, "GET", f"{MLFLOW}/runs/get?run_id=j"))["run"]["info"]["artifact_uri"]
    model = await done(api, "POST", f"{MLFLOW}/logged-models", {"experiment_id": "0", "source_run_id": "j"})
    info = model["model"]["info"]
    found = Logged("j", root, info["model_id"], info["artifact_uri"])
    await put_all(api, found, b"before")
    written = await api.send_as("executor", job, CompleteJob(1, "n1", {}))
    await api.reader.projector.reached(written.position)
    return found


async def put_all(api: Api, logged: Logged, content: bytes) -> None:
    for place in (f"{logged.root}/net", f"{logged.own}"):
        await done(api, "PUT", at(place, "w.bin"), content)


def at(place: str, name: str = "") -> str:
    return f"{PROXY}/{place.removeprefix('mlflow-artifacts:/')}/{name}".rstrip("/")


async def by_reference(api: Api, path: str) -> str:
    return str((await done(api, "POST", f"{WS}/models", {"name": "m", "path": path}))["name"])


async def by_mlflow(api: Api, source: str, **fields: str) -> str:
    made = await done(api, "POST", f"{MLFLOW}/model-versions/create", {"name": "m", "source": source, **fields})
    return f"m:{made['model_version']['version']}"


Door = Callable[[Api, Logged], Awaitable[str]]
DOORS: dict[str, Door] = {
    "runs": lambda api, logged: by_reference(api, "runs:/j/net"),
    "a job's artifacts": lambda api, logged: by_reference(api, "azureml://jobs/j/outputs/artifacts/paths/net"),
    "a file of them": lambda api, logged: by_reference(api, "azureml://jobs/j/outputs/artifacts/paths/net/w.bin"),
    "an address": lambda api, logged: by_reference(api, f"{logged.root}/net"),
    "a logged model": lambda api, logged: by_reference(api, f"models:/{logged.model_id}"),
    "MLflow's runs": lambda api, logged: by_mlflow(api, "runs:/j/net", run_id="j"),
    "MLflow's file of a run": lambda api, logged: by_mlflow(api, "runs:/j/net/w.bin", run_id="j"),
    "MLflow's address": lambda api, logged: by_mlflow(api, f"{logged.root}/net", run_id="j"),
    "MLflow's address with escapes": lambda api, logged: by_mlflow(api, f"{logged.root}/n%65t", run_id="j"),
    "MLflow's model": lambda api, logged: by_mlflow(api, f"models:/{logged.model_id}", model_id=logged.model_id),
    "MLflow's reference": lambda api, logged: by_mlflow(api, "azureml://jobs/j/outputs/artifacts/paths/net"),
}


async def spec_of(api: Api, key: str) -> Any:
    return (await done(api, "GET", f"{WS}/models/{key}"))["state"]["spec"]


async def files_of(api: Api, digest: str) -> dict[str, str]:
    manifest = msgspec.json.decode((await api.ask("GET", f"/v1/blobs/{digest}")).body, type=Manifest)
    return {file.path: file.digest for file in manifest.files}


@pytest.mark.parametrize("door", DOORS)
async def test_what_is_written_over_or_deleted_afterwards_changes_no_version(
    api: Api, logged: Logged, door: str
) -> None:
    key = await DOORS[door](api, logged)
    number = key.partition(":")[2]

    await put_all(api, logged, b"after")
    await done(api, "DELETE", at(f"{logged.root}/net"))
    await done(api, "DELETE", at(logged.own, "w.bin"))

    spec = await spec_of(api, key)
    assert await files_of(api, spec["digest"]) == FILE
    uri = (await done(api, "GET", f"{MLFLOW}/model-versions/get-download-uri?name=m&version={number}"))["artifact_uri"]
    assert (await api.ask("GET", at(uri, "w.bin"))).body == b"before"
    shown = await done(api, "GET", f"{MLFLOW}/model-versions/get?name=m&version={number}")
    assert "status_message" not in shown["model_version"]
    copy = await by_mlflow(api, f"models:/m/{number}")
    assert (await spec_of(api, copy))["digest"] == spec["digest"]


@pytest.mark.parametrize("door", ["runs", "an address", "a logged model", "MLflow's address"])
async def test_a_version_of_what_a_run_logged_is_still_shown_to_be_the_runs(
    api: Api, logged: Logged, door: str
) -> None:
    key = await DOORS[door](api, logged)
    await done(api, "DELETE", at(f"{logged.root}/net"))
    lineage = await done(api, "GET", f"{WS}/models/{key}/lineage")
    assert (lineage["run"]["run_id"], lineage["job"]["name"]) == ("j", "j")
    assert "said_by" not in lineage["run"] and lineage["digest"] == (await spec_of(api, key))["digest"]


async def test_what_a_job_left_is_the_same_tree_by_every_reference_to_it(api: Api) -> None:
    job = await api.held("k", outputs={"net": {}})
    left = Manifest((TreeFile("bin/run", 6, FILE["w.bin"], True),), ("empty",))
    for data in (b"before", msgspec.json.encode(left)):
        await done(api, "PUT", f"/v1/blobs/{digest_of(data)}", data)
    output = OutputData(digest_of(msgspec.json.encode(left)), 1, 6)
    ended = await api.send_as("executor", job, CompleteJob(1, "n1", {"net": output}))
    await api.reader.projector.reached(ended.position)
    for path in ("outputs/net", "outputs/artifacts/paths/named-outputs/net"):
        key = await by_reference(api, f"azureml://jobs/k/{path}")
        assert (await spec_of(api, key))["digest"] == output.digest, path
    for key in (
        await by_reference(api, "runs:/k/named-outputs/net"),
        await by_mlflow(api, "runs:/k/named-outputs/net", run_id="k"),
    ):
        assert (await spec_of(api, key))["digest"] == output.digest


@pytest.mark.parametrize(
    ("source", "why"), [("s3://bucket/net", "elsewhere"), ("runs:/j/later", "nothing_there")], ids=["s3", "later"]
)
async def test_a_version_whose_files_cannot_be_held_says_why(api: Api, logged: Logged, source: str, why: str) -> None:
    key = await by_mlflow(api, source, run_id="j")
    spec = await spec_of(api, key)
    assert (spec["unpinned"], spec.get("digest")) == (why, None)
    shown = await done(api, "GET", f"{MLFLOW}/model-versions/get?name=m&version={spec['version']}")
    assert "not held by a digest" in shown["model_version"]["status_message"]


async def test_more_files_than_a_tree_can_name_are_followed_and_the_answer_says_so(
    api: Api, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_origins, "FILES_MAX", 0)
    made = await done(api, "POST", f"{WS}/models", {"name": "m", "path": "runs:/j/net"})
    assert "more than one tree can name" in made["notes"][0] and "'runs:/j/net'" in made["notes"][0]
    assert (await spec_of(api, made["name"]))["unpinned"] == "too_large"


async def test_a_prompt_has_no_files_and_says_nothing_of_them(api: Api) -> None:
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    await done(api, "POST", f"{MLFLOW}/registered-models/create", {"name": "p", "tags": prompt})
    asked = {"name": "p", "source": "prompt-template", "tags": prompt}
    made = await done(api, "POST", f"{MLFLOW}/model-versions/create", asked)
    assert "status_message" not in made["model_version"]
    assert "unpinned" not in await spec_of(api, "p:1")
