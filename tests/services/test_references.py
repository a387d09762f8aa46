"""Every form of a reference means the same files at every door that takes one, or is refused with what to write."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.services.gateway_example import SPEC, WS, Api, running_gateway

from treering.adapters.trees import Manifest, TreeFile
from treering.domain.job_messages import CompleteJob, FailJob, OutputData
from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.blobs import digest_of
from treering.kernel.refusal import Refused
from treering.specs.images import curated
from treering.specs.model_draft import load_model
from treering.specs.prepared import load_job
from treering.specs.validate import judge
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio

MLFLOW = "/w/w/api/2.0/mlflow"
SUBSCRIPTION = "subscriptions/s-1/resourceGroups/g"
LONG = f"azureml://{SUBSCRIPTION}/workspaces/w"
ARM = f"/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/workspaces/w"
NET = {"w.bin": b"weights"}
FORMS: Mapping[str, dict[str, bytes]] = {
    "azureml://jobs/j/outputs/net": NET,
    "azureml://jobs/j/outputs/net/": NET,
    "azureml://jobs/j/outputs/net/paths/": NET,
    "azureml://jobs/j/outputs/deep/paths/a": {"b.txt": b"deep"},
    "azureml://jobs/j/outputs/deep/paths/a/b.txt": {"b.txt": b"deep"},
    "azureml://jobs/j/outputs/default": {"best.pt": b"best"},
    "azureml://jobs/j/outputs/default/paths/best.pt": {"best.pt": b"best"},
    "azureml://jobs/j/outputs/default/paths/logged/": {"m.txt": b"logged"},
    "azureml://jobs/j/outputs/artifacts/paths/logged": {"m.txt": b"logged"},
    "azureml://jobs/j/outputs/artifacts/paths/outputs/": {"best.pt": b"best"},
    "azureml://jobs/j/outputs/artifacts/logged/m.txt": {"m.txt": b"logged"},
    "azureml://jobs/j/outputs/artifacts": {
        "outputs/best.pt": b"best",
        "logged/m.txt": b"logged",
        "named-outputs/net/w.bin": b"weights",
        "named-outputs/deep/a/b.txt": b"deep",
    },
    f"{LONG}/jobs/j/outputs/net/paths/": NET,
    f"azureml:{ARM}/jobs/j/outputs/net": NET,
    "azureml://datastores/workspaceblobstore/paths/azureml/j/net/": NET,
    f"{LONG}/datastores/workspaceblobstore/paths/azureml/j/deep/a": {"b.txt": b"deep"},
    "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.j/logged": {"m.txt": b"logged"},
    "runs:/j/logged": {"m.txt": b"logged"},
    "runs:/j/outputs": {"best.pt": b"best"},
    "runs:/j/logged/m.txt": {"m.txt": b"logged"},
    "models:/m/1": NET,
    "models:/m/latest": NET,
    "models:/m@best": NET,
    "azureml:m:1": NET,
    "azureml:m@latest": NET,
    "azureml:m@best": NET,
    f"azureml:{ARM}/models/m/versions/1": NET,
    f"{ARM}/models/m/labels/best": NET,
    f"{LONG}/models/m/versions/1": NET,
    "azureml://locations/westeurope/workspaces/0a1b/models/m/versions/1": NET,
}
NOT_HERE = {
    "azureml://datastores/workspaceblobstore/paths/azureml/${{name}}/net/": "name of the job",
    "azureml://jobs/${{name}}/outputs/net": "name of the job",
    "azureml://registries/azureml/models/m/versions/1": "registry",
    "azureml://datastores/mine/paths/data/": "datastore",
    "azureml://datastores/workspaceblobstore/paths/LocalUpload/x": "datastore",
    f"{ARM}/data/d/versions/1": "data asset",
    "wasbs://c@a.blob.core.windows.net/x": "cloud",
    "abfss://c@a.dfs.core.windows.net/x": "cloud",
}
ABSENT = {
    "azureml://jobs/none/outputs/net": "job.absent",
    "azureml://jobs/j/outputs/nope": "output_absent",
    "azureml://jobs/j/outputs/net/paths/nope": "output_absent",
    "azureml://jobs/j/outputs/artifacts/paths/nope": "output_absent",
    "runs:/none/x": "run.absent",
    "runs:/j/nope": "empty",
    "models:/m/7": "model.absent",
    "models:/m@nope": "model.absent",
    "models:/m-none": "logged_model.absent",
    "azureml:nope:1": "model.absent",
    "azureml://nope/x": "reference.invalid",
}


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        await made_by_a_job(running)
        yield running


async def done(api: Api, method: str, path: str, body: Any = None) -> Any:
    answer = await api.ask(method, path, body)
    assert answer.status in (200, 201), answer.body
    return answer.json if answer.body else None


async def tree(api: Api, files: Mapping[str, bytes]) -> OutputData:
    entries = tuple(TreeFile(path, len(data), digest_of(data), False) for path, data in files.items())
    manifest = msgspec.json.encode(Manifest(entries))
    for data in (*files.values(), manifest):
        await api.ask("PUT", f"/v1/blobs/{digest_of(data)}", data)
    return OutputData(digest_of(manifest), len(files), sum(map(len, files.values())))


async def made_by_a_job(api: Api) -> None:
    """Job ``j`` has completed: it left ./outputs and two named outputs, and logged a file; model ``m`` is of one."""
    job = await api.held("j", outputs={"net": {}, "deep": {}})
    root = (await done(api, "GET", f"{MLFLOW}/runs/get?run_id=j"))["run"]["info"]["artifact_uri"]
    at = f"/w/w/api/2.0/mlflow-artifacts/artifacts/{root.removeprefix('mlflow-artifacts:/')}/logged/m.txt"
    await done(api, "PUT", at, b"logged")
    left = {"net": NET, "deep": {"a/b.txt": b"deep"}, "default": {"best.pt": b"best"}}
    outputs = {name: await tree(api, files) for name, files in left.items()}
    written = await api.send_as("executor", job, CompleteJob(1, "n1", outputs))
    await api.reader.projector.reached(written.position)
    await done(api, "POST", f"{WS}/models", {"name": "m", "path": "azureml://jobs/j/outputs/net"})
    await done(api, "POST", f"{MLFLOW}/registered-models/alias", {"name": "m", "alias": "best", "version": "1"})


async def files(api: Api, digest: str) -> dict[str, bytes]:
    manifest = msgspec.json.decode((await api.ask("GET", f"/v1/blobs/{digest}")).body, type=Manifest)
    return {file.path: (await api.ask("GET", f"/v1/blobs/{file.digest}")).body for file in manifest.files}


async def as_input(api: Api, text: str, type: str = "custom_model", **fields: Any) -> Any:
    spec = {**SPEC, "inputs": {"i": {"type": type, "path": text, **fields}}}
    return await api.ask("POST", f"{WS}/jobs", {"spec": spec})


async def as_path(api: Api, text: str) -> Any:
    return await api.ask("POST", f"{WS}/models", {"name": "copy", "path": text})


async def as_source(api: Api, text: str) -> Any:
    await api.ask("POST", f"{MLFLOW}/registered-models/create", {"name": "copy"})
    run = {"run_id": "j"} if text.startswith("runs:") else {}
    return await api.ask("POST", f"{MLFLOW}/model-versions/create", {"name": "copy", "source": text, **run})


async def input_files(api: Api, answer: Any) -> dict[str, bytes]:
    return await files(api, answer.json["state"]["spec"]["inputs"]["i"]["digest"])


async def version_files(api: Api, answer: Any) -> dict[str, bytes]:
    """What a job is given that is given the version."""
    body = answer.json
    key = body["name"] if "name" in body else f"copy:{body['model_version']['version']}"
    return await input_files(api, await as_input(api, f"azureml:{key}"))


Door = Callable[[Api, str], Awaitable[Any]]
Read = Callable[[Api, Any], Awaitable[dict[str, bytes]]]
DOORS: Mapping[str, tuple[Door, Read]] = {
    "an input of a job": (as_input, input_files),
    "model create": (as_path, version_files),
    "MLflow's source": (as_source, version_files),
}


@pytest.mark.parametrize("door", DOORS)
async def test_a_reference_means_the_same_files_at_every_door(api: Api, door: str) -> None:
    ask, read = DOORS[door]
    for text, expected in FORMS.items():
        if door == "MLflow's source" and text.startswith("/subscriptions"):
            continue  # MLflow takes it for a path of a machine
        answer = await ask(api, text)
        assert answer.status in (200, 201), (text, answer.body)
        assert await read(api, answer) == expected, text


@pytest.mark.parametrize("door", DOORS)
async def test_what_cannot_be_read_here_is_refused_with_what_to_write(api: Api, door: str) -> None:
    for text, word in NOT_HERE.items():
        if door == "MLflow's source" and (not text.startswith("azureml:") or "${{" in text):
            continue
        answer = await DOORS[door][0](api, text)
        said = answer.json.get("detail") or answer.json.get("message")
        assert answer.status == 400 and word in said, (text, answer.body)
        assert "your machine" in said or "${{" in text


@pytest.mark.parametrize("text", [*FORMS, *ABSENT, *NOT_HERE])
def test_validate_and_the_command_line_say_of_every_form_what_a_server_would(tmp_path: Path, text: str) -> None:
    """What is absent, only a server knows."""
    job, model, path = tmp_path / "job.yml", tmp_path / "model.yml", msgspec.json.encode(text).decode()
    types = ("custom_model",) if text.startswith(("azureml:m", "azureml:nope", ARM, f"azureml:{ARM}/models")) else ()
    for type in types or ("custom_model", "uri_folder", "uri_file"):
        job.write_text(
            f"command: echo ${{{{inputs.i}}}}\nenvironment: {{python: '3.11'}}\n"
            f"inputs: {{i: {{type: {type}, path: {path}}}}}\n"
        )
        check_verdict(job, text, lambda: load_job(job))
    model.write_text(f"name: m\npath: {path}\n")
    check_verdict(model, text, lambda: load_model(model, ()))


def check_verdict(file: Path, text: str, load: Callable[[], object]) -> None:
    problems = judge(file).problems
    if text not in NOT_HERE and text != "azureml://nope/x":
        assert not problems and load(), text
        return
    assert NOT_HERE.get(text, "no reference treering knows") in problems[0].message
    with pytest.raises(Refused, match=re.escape(problems[0].message)):
        load()


@pytest.mark.parametrize("door", ["an input of a job", "model create"])
async def test_what_is_not_there_is_refused_with_a_code_of_its_own(api: Api, door: str) -> None:
    for text, code in ABSENT.items():
        answer = await DOORS[door][0](api, text)
        assert answer.code.endswith(code), (text, answer.body)
        assert 400 <= answer.status < 500, text


@pytest.mark.parametrize("door", DOORS)
async def test_a_job_that_has_not_completed_has_nothing_to_give_yet(api: Api, door: str) -> None:
    await api.submitted("queued", outputs={"net": {}})
    failed = await api.held("bad", outputs={"net": {}})
    ended = FailJob(1, "n1", "exit_code", "it exited with code 1", 1, {"net": await tree(api, NET)})
    await api.reader.projector.reached((await api.send_as("executor", failed, ended)).position)
    for job, status in (("queued", "Queued"), ("bad", "Failed")):
        answer = await DOORS[door][0](api, f"azureml://jobs/{job}/outputs/net")
        said = answer.json.get("detail") or answer.json.get("message")
        assert answer.status in (400, 409) and f"is {status}" in said, answer.body


async def test_an_input_that_is_a_file_is_the_file(api: Api) -> None:
    for text, path in {
        "azureml://jobs/j/outputs/net/paths/w.bin": "azureml://jobs/j/outputs/net/paths/w.bin",
        "azureml://jobs/j/outputs/net": "azureml://jobs/j/outputs/net/paths/w.bin",
        "runs:/j/logged": "runs:/j/logged/m.txt",
    }.items():
        given = (await as_input(api, text, "uri_file")).json["state"]["spec"]["inputs"]["i"]
        assert given["path"] == path
        assert given["digest"] in (digest_of(b"weights"), digest_of(b"logged"))
    assert (await as_input(api, "azureml://jobs/j/outputs/artifacts", "uri_file")).code == "input.not_a_file"


async def test_an_asset_is_what_its_type_says(api: Api) -> None:
    answer = await as_input(api, "azureml:m:1", "uri_folder")
    assert answer.code == "input.unsupported" and "data asset" in answer.json["detail"]


async def test_an_address_that_nothing_in_the_job_opens_is_laid_out_and_the_job_says_so(api: Api) -> None:
    spec = (await as_input(api, "azureml://jobs/j/outputs/net", "uri_folder", mode="direct")).json["state"]["spec"]
    assert spec["inputs"]["i"]["digest"] and "mode direct" in spec["notes"][0]
    place = "azureml://datastores/workspaceblobstore/paths/azureml/j/net/"
    spec = (await as_input(api, place, "uri_folder", mode="direct")).json["state"]["spec"]
    assert spec["inputs"]["i"]["digest"] and "mode direct" in spec["notes"][0]
    left = (await as_input(api, "models:/m/1", "custom_model", mode="direct")).json["state"]["spec"]["inputs"]["i"]
    assert left["path"] == "models:/m/1" and "digest" not in left


async def test_a_long_form_means_this_workspace_and_never_another_one_that_is_here(api: Api) -> None:
    there = LONG.replace("/workspaces/w", "/workspaces/elsewhere")
    spec = (await as_input(api, f"{there}/models/m/versions/1")).json["state"]["spec"]
    assert "'elsewhere', which is not here" in spec["notes"][0]
    await done(api, "POST", "/v1/workspaces/elsewhere/create", {})
    assert (await as_input(api, f"{there}/models/m/versions/1")).code == "reference.workspace"


@pytest.mark.parametrize(("key", "tail"), [("compute", "computes/local"), ("environment", "environments/e/versions/1")])
async def test_a_compute_or_environment_of_another_workspace_is_treated_as_inputs_are(
    api: Api, key: str, tail: str
) -> None:
    await done(api, "POST", f"{WS}/environments", {"name": "e", "spec": {"python": "3.11"}})
    for prefix in ("azureml:", ""):
        there = f"{prefix}{ARM.replace('/workspaces/w', '/workspaces/elsewhere')}/{tail}"
        job = await done(api, "POST", f"{WS}/jobs", {"spec": {**SPEC, key: there}})
        note = f"{key}: {there!r} names workspace 'elsewhere', which is not here; it was looked for in 'w'"
        assert job["state"]["spec"]["notes"] == [note]
    here = await done(api, "POST", f"{WS}/jobs", {"spec": {**SPEC, key: f"{ARM}/{tail}"}})
    assert "notes" not in here["state"]["spec"] and here["state"]["spec"].get("compute", "local") == "local"
    await done(api, "POST", "/v1/workspaces/elsewhere/create", {})
    refused = await api.ask("POST", f"{WS}/jobs", {"spec": {**SPEC, key: there}})
    assert refused.code == "reference.workspace" and "download" not in refused.json["detail"]


async def test_what_is_no_compute_is_not_taken_for_one(api: Api) -> None:
    for text in (f"{ARM}/environments/local", "some/folder/local"):
        assert (await api.ask("POST", f"{WS}/jobs", {"spec": {**SPEC, "compute": text}})).code == "compute.reference"


@pytest.mark.parametrize(
    "text", ["azureml:e:1", "azureml:e@latest", f"azureml:{ARM}/environments/e/versions/1", f"{LONG}/environments/e"]
)
async def test_an_environment_is_found_by_every_form_that_names_one(api: Api, text: str) -> None:
    await done(api, "POST", f"{WS}/environments", {"name": "e", "spec": {"python": "3.11"}})
    job = await done(api, "POST", f"{WS}/jobs", {"spec": {**SPEC, "environment": text}})
    assert job["state"]["spec"]["environment"] == {"python": "3.11", "source": "azureml:e:1"}


async def test_the_lineage_of_a_model_says_whose_work_its_data_was(api: Api) -> None:
    given = {
        "net": {"type": "custom_model", "path": "azureml:m@latest"},
        "data": {"type": "uri_folder", "path": "azureml://jobs/j/outputs/deep/paths/a"},
    }
    job = await api.held("next", inputs=given, outputs={"net": {}})
    ended = CompleteJob(1, "n1", {"net": await tree(api, NET)})
    await api.reader.projector.reached((await api.send_as("executor", job, ended)).position)
    made = await done(api, "POST", f"{WS}/models", {"name": "later", "path": "azureml://jobs/next/outputs/net"})
    data = (await done(api, "GET", f"{WS}/models/{made['name']}/lineage"))["data"]
    assert {one["name"]: one["of"] for one in data} == {"net": "model/m:1", "data": "job/j"}


async def test_a_version_that_is_no_number_is_a_label_of_the_number_it_gets(api: Api) -> None:
    body = {"name": "dated", "version": "2024-01-01", "path": "azureml://jobs/j/outputs/net"}
    key = {"idempotency-key": "once"}
    for changed in (True, False):  # said again, it is the same version
        made = await api.ask("POST", f"{WS}/models", body, key)
        assert (made.json["name"], made.json["changed"]) == ("dated:1", changed), made.body
    assert (await api.ask("POST", f"{WS}/models", body)).json["changed"] is False
    assert (await api.ask("POST", f"{WS}/models", {**body, "properties": {"a": "b"}})).code == "model.exists"
    assert (await done(api, "POST", f"{WS}/models", {**body, "version": "1.0.0-rc.1"}))["name"] == "dated:2"
    for text, name in (
        ("azureml:dated:2024-01-01", "azureml:dated:1"),
        ("azureml:dated:1.0.0-rc.1", "azureml:dated:2"),
        ("azureml:dated:1", "azureml:dated:1"),
        ("models:/dated@2024-01-01", "azureml:dated:1"),
        (f"{ARM}/models/dated/versions/2024-01-01", "azureml:dated:1"),
    ):
        assert (await as_input(api, text)).json["state"]["spec"]["inputs"]["i"]["path"] == name, text
    seen = await done(api, "GET", f"{MLFLOW}/registered-models/alias?name=dated&alias=2024-01-01")
    assert seen["model_version"]["version"] == "1"
    for bad in ("latest", "a/b", "0", "1" * 12):
        assert (await api.ask("POST", f"{WS}/models", {**body, "version": bad})).code == "model.version", bad


@pytest.mark.parametrize(
    ("text", "package", "notes"),
    [
        ("azureml://registries/azureml/environments/sklearn-1.5/labels/latest", "scikit-learn", 0),
        ("azureml://registries/azureml/environments/sklearn-1.0/versions/7", "scikit-learn", 1),
        ("mcr.microsoft.com/azureml/curated/lightgbm-3.3:12", "lightgbm", 0),
    ],
)
async def test_a_curated_environment_is_known_to_the_server_as_to_the_command_line(
    api: Api, text: str, package: str, notes: int
) -> None:
    job = await done(api, "POST", f"{WS}/jobs", {"spec": {**SPEC, "environment": text}})
    spec = job["state"]["spec"]
    assert spec["environment"]["source"] == text
    assert msgspec.convert(spec["environment"], EnvironmentSpec) == curated(text)
    assert any(one.startswith(package) for one in spec["environment"]["requirements"])
    assert len(spec.get("notes", [])) == notes
