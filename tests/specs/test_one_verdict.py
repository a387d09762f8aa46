"""``validate`` and ``job create`` give one verdict on everything that needs no server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.specs.test_corpus import CORPUS, EXPECTED

from treering.kernel.refusal import Refused
from treering.specs.compute_draft import load_compute
from treering.specs.prepared import load_job
from treering.specs.validate import judge
from treering.specs.workspace_draft import load_workspace

JOB = {"command": "command: echo", "environment": "environment: {python: '3.11'}"}
BAD = {
    "conda with an option of pip": "environment: {image: python, conda_file: extra.yml}",
    "conda inline with one": "environment: {conda_file: {dependencies: [{pip: [--find-links x, a]}]}}",
    "an unknown image": "environment: {image: nvcr.io/nvidia/pytorch:24.01-py3}",
    "an unknown curated environment": "environment: azureml://registries/azureml/environments/nope/versions/1",
    "another registry": "environment: azureml://registries/mine/environments/e/versions/1",
    "a Dockerfile with apt-get": "environment: {build: {path: apt}}",
    "a folder without a Dockerfile": "environment: {build: {path: code}}",
    "a build context that lies elsewhere": "environment: {build: {path: https://x.example/r.git}}",
    "a Python that cannot be": "environment: {python: 'three'}",
    "a requirement that is none": "environment: {python: '3.11', requirements: ['a b c']}",
    "two instances": "resources: {instance_count: 2}",
    "two processes": "distribution: {type: pytorch, process_count_per_instance: 2}",
    "code from git": "code: git+https://x.example/r.git",
    "code of the registry": "code: azureml:c:1",
    "code that is not there": "code: nowhere",
    "data that is not there": "inputs: {i: {path: nowhere}}",
    "data of a store that cannot be reached": "inputs: {i: {path: 'wasbs://c@a.blob.core.windows.net/x'}}",
    "a web address of a folder": "inputs: {i: {type: uri_folder, path: 'https://x.example/d/'}}",
    "a placeholder": "compute: <Enter the name of your compute>",
    "a placeholder in a reference": "compute: azureml:<cluster>",
    "a placeholder of a template": "compute: '{{compute}}'",
    "a placeholder for data": "inputs: {i: {path: 'azureml:<data>:1'}}",
    "a bad name": "name: a b",
    "a bad experiment": "experiment_name: a/b",
    "a bad compute": "compute: a b",
    "a model without a good name": "outputs: {o: {type: custom_model, name: 'a/b'}}",
    "a model with a bad version": "outputs: {o: {type: custom_model, name: m, version: latest}}",
    "an output on a machine": "outputs: {o: {path: ./here}}",
    "a time without end": "limits: {timeout: 999999999}",
    "a NUL": 'environment_variables: {A: "a\\0b"}',
    "a variable that cannot be set": "environment_variables: {A=B: x}",
    "an unknown key": "displayname: x",
    "an unknown expression": "command: echo ${{inputs.x}}",
    "a title of two lines": 'display_name: "a\\nb"',
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("code", "apt"):
        (tmp_path / name).mkdir()
    (tmp_path / "apt" / "Dockerfile").write_text("FROM python:3.11\nRUN apt-get update && apt-get install -y git\n")
    (tmp_path / "extra.yml").write_text(
        "dependencies:\n- python=3.11\n- pip:\n  - --find-links https://x.example\n  - a\n"
    )
    return tmp_path


def created(path: Path, *overrides: str) -> bool:
    """Whether ``job create`` would send it to a server."""
    try:
        load_job(path, overrides)
    except Refused as refused:
        assert refused.detail
        return False
    return True


@pytest.mark.parametrize("name", BAD)
def test_what_create_refuses_validate_refuses(folder: Path, name: str) -> None:
    key = BAD[name].partition(":")[0]
    path = folder / "job.yml"
    path.write_text("\n".join([BAD[name], *(line for word, line in JOB.items() if word != key)]))
    judgement = judge(path)
    assert (created(path), judgement.submittable) == (False, False)
    if not judgement.accepted:
        assert judgement.problems[0].line == 1, judgement.problems


def test_another_kind_is_accepted_as_azure_ml_reads_it_and_cannot_be_submitted(folder: Path) -> None:
    path = folder / "job.yml"
    path.write_text("type: pipeline\njobs: {a: {command: echo, environment: {image: python}}}\n")
    judgement = judge(path)
    assert (judgement.accepted, judgement.submittable, created(path)) == (True, False, False)


def test_what_validate_accepts_create_accepts(folder: Path) -> None:
    path = folder / "job.yml"
    path.write_text("\n".join([*JOB.values(), "code: code", "inputs: {i: {path: code}}"]))
    assert created(path)
    assert judge(path).submittable


def test_set_changes_both_verdicts(folder: Path) -> None:
    path = folder / "job.yml"
    path.write_text("\n".join([*JOB.values(), "compute: <compute>"]))
    assert (created(path), judge(path).submittable) == (False, False)
    assert created(path, "compute=local")
    assert judge(path, ["compute=local"]).submittable
    assert (created(path, "compute=local", "code=x"), judge(path, ["compute=local", "code=x"]).submittable) == (
        False,
        False,
    )


def test_a_placeholder_is_named_with_its_key_and_line(folder: Path) -> None:
    path = folder / "job.yml"
    path.write_text("\n".join([*JOB.values(), "compute: <Enter the name of your compute>"]))
    (problem,) = judge(path).problems
    said = "'<Enter the name of your compute>' is a placeholder that nobody filled in"
    assert (problem.line, problem.key) == (3, "compute")
    assert problem.message == f"{said}: write what it stands for, here or with --set compute=VALUE"


@pytest.mark.skipif(not EXPECTED.is_file(), reason="the Azure ML examples are not here")
def test_one_verdict_on_every_example_of_azure_ml() -> None:
    files = [CORPUS / json.loads(line)["file"] for line in EXPECTED.read_text().splitlines()]
    jobs = [file for file in files if judge(file, need_files=False).kind.startswith("job/")]
    assert len(jobs) > 50
    assert [file for file in jobs if created(file) != judge(file).submittable] == []


CLUSTER = "name: c\ntype: amlcompute\n"
BAD_COMPUTES = {
    "a bad name": "name: a b\ntype: amlcompute\n",
    "too many nodes": f"{CLUSTER}max_instances: 10001\n",
    "a minimum above the maximum": f"{CLUSTER}min_instances: 3\nmax_instances: 2\n",
    "an unknown key": f"{CLUSTER}maxinstances: 2\n",
    "a placeholder": "name: <Enter the name>\ntype: amlcompute\n",
    "a virtual machine": "name: c\ntype: virtualmachine\nresource_id: /s\n",
}


@pytest.mark.parametrize("name", BAD_COMPUTES)
def test_validate_and_compute_create_refuse_the_same_targets(tmp_path: Path, name: str) -> None:
    (tmp_path / "c.yml").write_text(BAD_COMPUTES[name])
    assert not judge(tmp_path / "c.yml").accepted
    with pytest.raises(Refused):
        load_compute(tmp_path / "c.yml", ())


def test_validate_and_compute_create_say_the_same_notes(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text(f"{CLUSTER}size: Standard_DS3\nmin_instances: 0\nmax_instances: 4\n")
    judged = judge(tmp_path / "c.yml")
    draft = load_compute(tmp_path / "c.yml", ())
    assert judged.submittable and draft.body["nodes_max"] == 4
    assert draft.notes == tuple(f"{one.key} {one.message}" for one in judged.notes)
    assert [one.key for one in judged.notes] == ["size", "min_instances"]


@pytest.mark.parametrize(
    "text", ["name: a/b\n", "name: w\ntags: [a]\n", "name: <Enter the name>\n", "display_nme: x\n"]
)
def test_validate_and_workspace_create_refuse_the_same_workspaces(tmp_path: Path, text: str) -> None:
    (tmp_path / "w.yml").write_text(f"$schema: workspace.schema.json\n{text}")
    assert not judge(tmp_path / "w.yml").accepted
    with pytest.raises(Refused):
        load_workspace(tmp_path / "w.yml", ())
