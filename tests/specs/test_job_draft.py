"""A command job that is to be submitted: read as it was written, with the paths on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.domain.job_spec import InputSpec, OutputSpec
from treering.kernel.refusal import Refused
from treering.specs.job_draft import JobDraft, with_secrets
from treering.specs.nodes import Problem
from treering.specs.prepared import load_job
from treering.specs.validate import judge

JOB = """
$schema: https://x.example/commandJob.schema.json
name: train-1
display_name: Train
description: Trains.
experiment_name: iris
command: python main.py ${{inputs.data}} ${{inputs.lr}} > ${{outputs.model}}
code: src
environment:
  image: library/python:3.11
  conda_file: conda.yml
inputs:
  data: {type: uri_file, path: data/iris.csv, mode: download}
  remote: {type: mltable, path: azureml://jobs/j/outputs/table, mode: eval_mount}
  lr: 0.10
  epochs: 3
  fast: true
  kernel: {value: rbf}
outputs:
  model: {type: mlflow_model, name: iris, version: 2, mode: upload}
  rest:
environment_variables: {A: 1, B: true, C: text, D: }
tags: {team: blue}
compute: azureml:cpu-cluster
resources: {instance_count: 1}
distribution: {type: pytorch, process_count_per_instance: 1}
limits: {timeout: 3600}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "iris.csv").write_text("1,2\n")
    (tmp_path / "conda.yml").write_text("dependencies: [python=3.11]\n")
    return tmp_path


def load(folder: Path, text: str, *overrides: str) -> JobDraft:
    path = folder / "job.yml"
    path.write_text(text)
    return load_job(path, overrides)


def refusal(folder: Path, text: str, *overrides: str) -> Refused:
    with pytest.raises(Refused) as refused:
        load(folder, text, *overrides)
    return refused.value


def test_a_job_is_read_as_it_was_written(folder: Path) -> None:
    draft = load(folder, JOB)
    assert draft.command == "python main.py ${{inputs.data}} ${{inputs.lr}} > ${{outputs.model}}"
    assert (draft.name, draft.display_name, draft.experiment) == ("train-1", "Train", "iris")
    assert (draft.compute, draft.instance_count, draft.timeout_seconds) == ("cpu-cluster", 1, 3600.0)
    assert (draft.code, draft.code_reference) == (folder / "src", "")
    assert draft.distribution == {"type": "pytorch", "process_count_per_instance": 1}
    assert draft.environment_variables == {"A": "1", "B": "True", "C": "text", "D": ""}
    assert draft.tags == {"team": "blue"}


def test_inputs_keep_what_was_written_and_local_ones_have_their_place(folder: Path) -> None:
    draft = load(folder, JOB)
    assert draft.inputs == {
        "data": InputSpec("uri_file", path="data/iris.csv", mode="download"),
        "remote": InputSpec("mltable", path="azureml://jobs/j/outputs/table", mode="eval_mount"),
        "lr": InputSpec("number", value=0.1, written="0.10"),
        "epochs": InputSpec("integer", value=3),
        "fast": InputSpec("boolean", value=True, written="True"),
        "kernel": InputSpec("string", value="rbf"),
    }
    assert draft.local_inputs == {"data": folder / "data" / "iris.csv"}
    assert draft.outputs == {
        "model": OutputSpec("mlflow_model", mode="upload", name="iris", version="2"),
        "rest": OutputSpec(),
    }


def test_overrides_change_what_is_read(folder: Path) -> None:
    draft = load(folder, JOB, "inputs.lr=0.5", "compute=local", "tags.run=7th")
    assert draft.inputs["lr"] == InputSpec("number", value=0.5)
    assert (draft.compute, draft.tags["run"]) == ("local", "7th")


@pytest.mark.parametrize("prefix", ["/", "azureml:/", "azureml://"])
def test_a_compute_given_by_its_arm_id_keeps_the_workspace_it_names(folder: Path, prefix: str) -> None:
    written = f"{prefix}subscriptions/s/resourceGroups/g/providers/M/workspaces/ws2/computes/local"
    draft = load(folder, JOB, f"compute={written}")
    assert (draft.compute, draft.compute_reference) == ("local", written)
    assert load(folder, JOB, "compute=azureml:local").compute_reference == ""


def test_the_least_job_has_defaults(folder: Path) -> None:
    draft = load(folder, "command: echo hi\nenvironment: azureml:e@latest\n")
    assert (draft.compute, draft.experiment, draft.code, draft.instance_count) == ("local", "", None, 1)
    assert draft.timeout_seconds is None
    assert draft.environment.reference == "azureml:e@latest"


def test_environments_are_read_in_every_form(folder: Path) -> None:
    (folder / "envs").mkdir()
    (folder / "envs" / "e.yml").write_text("name: e\nimage: i\nconda_file: ../conda.yml\n")
    (folder / "ctx").mkdir()
    (folder / "ctx" / "D").write_text("FROM python:3.11\n")
    (folder / "requirements.txt").write_text("numpy\n")
    of = {
        key: load(folder, f"command: x\nenvironment: {text}\n").environment
        for key, text in {
            "file": "file:envs/e.yml",
            "inline": "{conda_file: {dependencies: [python=3.11, {pip: [pyjokes]}]}}",
            "build": "{build: {path: ctx, dockerfile_path: D}}",
            "list": "{python: '3.11', requirements: [numpy==1.26, pandas]}",
            "requirements": "{requirements: requirements.txt}",
        }.items()
    }
    assert of["file"].conda_file is not None
    assert of["file"].conda_file.resolve() == folder / "conda.yml"
    assert of["inline"].conda == {"dependencies": ["python=3.11", {"pip": ["pyjokes"]}]}
    assert (of["build"].build, of["build"].dockerfile) == (folder / "ctx", "D")
    assert (of["list"].python, of["list"].requirements) == ("3.11", ("numpy==1.26", "pandas"))
    assert of["requirements"].requirements_file == folder / "requirements.txt"


def test_code_from_git_is_refused(folder: Path) -> None:
    refused = refusal(folder, "command: x\ncode: git+https://x.example/r.git\nenvironment: {image: python}\n")
    assert refused.code == "job.code_unsupported"
    assert "job.yml:2: code: 'git+https://x.example/r.git' lies elsewhere: fetch it first" in refused.detail


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("code: src", "code: source", "8: code: there is no folder 'source'"),
        ("data/iris.csv", "data/absent.csv", "13: inputs.data.path: there is no 'data/absent.csv'"),
        ("path: data/iris.csv", "path: data", "13: inputs.data.path: 'data' is a folder; its type is uri_folder"),
        (
            "type: uri_file, path: data",
            "path: data",
            "13: inputs.data.path: 'data/iris.csv' is a file; its type is uri",
        ),
        ("path: data/iris.csv, ", "", "13: inputs.data.path: is missing"),
        ("name: train-1", "name: train 1", "3: name: name 'train 1' is not allowed"),
        ("azureml:cpu-cluster", "< your compute >", "24: compute: '< your compute >' is a placeholder"),
        ("conda.yml", "env.yml", "11: environment.conda_file: there is no file 'env.yml'"),
    ],
)
def test_what_is_absent_or_misnamed_is_told_with_its_line(folder: Path, old: str, new: str, message: str) -> None:
    refused = refusal(folder, JOB.replace(old, new))
    assert refused.code == "job.invalid"
    assert refused.detail.startswith(f"{folder / 'job.yml'}:{message}")


def test_all_that_is_absent_is_told_at_once(folder: Path) -> None:
    text = JOB.replace("code: src", "code: source").replace("iris.csv", "absent.csv")
    assert len(refusal(folder, text).detail.splitlines()) == 2


@pytest.mark.parametrize("text", ["type: pipeline\njobs: {}\n", "type: sweep\n", "type: automl\n", "type: spark\n"])
def test_other_jobs_are_refused_with_a_clear_sentence(folder: Path, text: str) -> None:
    refused = refusal(folder, text)
    assert refused.code == "job.type_unsupported"
    assert "only command jobs can be submitted so far" in refused.detail


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        ("name: e\nimage: python:3.11\n", "an environment"),
        ("name: m\ntype: mlflow_model\npath: m\n", "a model"),
        ("name: c\ntype: amlcompute\n", "a compute"),
        ("$schema: https://azuremlschemas.azureedge.net/latest/workspace.schema.json\nname: w\n", "a workspace"),
    ],
)
def test_a_resource_that_is_no_job_is_told_with_the_command_that_creates_it(
    folder: Path, text: str, resource: str
) -> None:
    refused = refusal(folder, text)
    verb = f"treering {resource.split()[1]} create -f {folder / 'job.yml'}"
    assert refused.detail == f"{folder / 'job.yml'} is {resource}, not a job: `{verb}` creates it"


def test_a_job_of_a_component_is_a_command_job_without_a_command(folder: Path) -> None:
    (folder / "job.yml").write_text("type: command\ncomponent: azureml:c:1\n")
    judged = judge(folder / "job.yml")
    assert judged.kind == "job/command" and "command: is missing" in "\n".join(map(str, judged.problems))


def test_a_note_on_a_whole_file_begins_with_its_words() -> None:
    assert Problem("c.yml", 3, "", "dependencies: x").sentence == "dependencies: x"
    assert Problem("c.yml", 3, "environment", "dependencies: x").sentence == "environment dependencies: x"


def test_a_file_without_a_command_is_told_what_is_missing(folder: Path) -> None:
    detail = refusal(folder, "experiment_name: e\n").detail
    assert "command: is missing" in detail
    assert "environment: is missing" in detail


@pytest.mark.parametrize("written", ["user_identity", "UserIdentity"])
def test_a_job_may_ask_for_its_submitters_rights(folder: Path, written: str) -> None:
    assert load(folder, f"{JOB}identity: {{type: {written}}}\n").identity == "user_identity"
    assert load(folder, JOB).identity == ""


def test_network_is_full_unless_the_job_asks_for_none(folder: Path) -> None:
    assert load(folder, JOB).network == "full"
    assert load(folder, JOB + "network: full\n").network == "full"
    assert load(folder, JOB + "network: none\n").network == "none"
    assert load(folder, JOB, "network=none").network == "none"
    assert "network: 'some' is not one of full, none" in refusal(folder, JOB + "network: some\n").detail


def test_that_azure_has_no_network_key_is_noted_and_refuses_nothing(folder: Path) -> None:
    path = folder / "job.yml"
    path.write_text(JOB + "network: none\n")
    judgement = judge(path)
    assert judgement.accepted
    (note,) = [one for one in judgement.notes if one.key == "network"]
    assert (note.key, note.line) == ("network", JOB.count("\n") + 1) and "Azure ML has no such key" in note.message


def test_secret_variables_come_from_the_file_and_from_the_command_line_and_are_noted(folder: Path) -> None:
    draft = load(folder, JOB + "secret_variables: [A]\n")
    with_more = with_secrets(draft, ["E", "F=x=y"], {"E": "from here"})
    assert with_more.secret_variables == ("A", "E", "F")
    assert with_more.environment_variables == {**draft.environment_variables, "E": "from here", "F": "x=y"}
    assert "secret_variables" in [note.key for note in judge(folder / "job.yml").notes]
    with pytest.raises(Refused, match=r"secret\.invalid.*export it first"):
        with_secrets(draft, ["GONE"], {})


def test_a_secret_variable_that_is_not_set_is_a_problem_with_its_line(folder: Path) -> None:
    detail = refusal(folder, JOB + "secret_variables: [A, GONE]\n").detail
    assert f"job.yml:{JOB.count(chr(10)) + 1}: secret_variables: 'GONE' is no environment variable" in detail


def test_a_public_variable_is_one_of_the_job_and_none_of_the_secret_ones(folder: Path) -> None:
    draft = load(folder, JOB + "public_variables: [A]\n")
    assert draft.public_variables == ("A",)
    assert "public_variables" in [note.key for note in judge(folder / "job.yml").notes]
    detail = refusal(folder, JOB + "secret_variables: [A]\npublic_variables: [A, GONE]\n").detail
    assert "public_variables: 'A' is among the secret_variables too" in detail
    assert "public_variables: 'GONE' is no environment variable" in detail
