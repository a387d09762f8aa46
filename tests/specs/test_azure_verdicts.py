"""Verdicts on small changes of a command job. Each was measured with azure-ai-ml 1.35.2 on the same text."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.specs.validate import Judgement, judge

SCHEMA = "https://azuremlschemas.azureedge.net/"
JOB = "command: echo ${{inputs.a}}\nenvironment: azureml:e:1\ncompute: azureml:cpu-cluster\ninputs:\n  a: 1\n"


def judged(tmp_path: Path, text: str) -> Judgement:
    path = tmp_path / "job.yml"
    path.write_text(text, encoding="utf-8", newline="")
    return judge(path, need_files=False)


@pytest.mark.parametrize(
    "schema",
    [
        f"{SCHEMA}2022-05-01/commandJob.schema.json",
        "http://azureml/sdk-2-0/CommandJob.json",
        f"{SCHEMA}latest/sweepJob.schema.json",
        f"{SCHEMA}latest/pipelineJob.schema.json",
        f"{SCHEMA}latest/commandComponent.schema.json",
        f"{SCHEMA}latest/environment.schema.json",
        "nonsense",
    ],
)
@pytest.mark.parametrize("said", ["", "type: command\n"])
def test_no_schema_makes_another_kind_of_a_command_job(tmp_path: Path, schema: str, said: str) -> None:
    judgement = judged(tmp_path, f"$schema: {schema}\n{said}{JOB}")
    assert (judgement.kind, judgement.problems) == ("job/command", ())


def test_the_schema_of_a_job_does_not_hide_the_type_of_another(tmp_path: Path) -> None:
    jobs = "type: pipeline\njobs:\n  a: {command: ls, environment: e}\n"
    assert judged(tmp_path, f"$schema: {SCHEMA}latest/commandJob.schema.json\n{jobs}").kind == "job/pipeline"


def test_a_component_with_a_schema_stays_a_component(tmp_path: Path) -> None:
    schema = f"$schema: {SCHEMA}latest/commandComponent.schema.json\n"
    text = f"{schema}command: ls\nenvironment: azureml:e:1\n"
    assert [judged(tmp_path, one).kind for one in (text, f"{text}name: c\ncompute: x\nversion: 1\n")] == [
        "component/command",
        "component/command",
    ]


@pytest.mark.parametrize(
    "more",
    [
        "tags: &t {a: b}\nproperties: {<<: *t, c: d}\n",
        "tags: {a: !!str 5}\n",
        "tags: {a: 1e3}\n",
        "experiment_name: 1e3\n",
        "display_name: 1.5e3\n",
        "resources: {shm_size: 2g}\n",
        "resources: {shm_size: 2gb}\n",
        "resources: {shm_size: 2.5g}\n",
        "resources: {shm_size: 2 g}\n",
        "distribution: {type: PyTorch}\n",
        "distribution: {type: MPI}\n",
        "queue_settings: {job_tier: Spot}\n",
        "identity: {type: AMLToken}\n",
        "outputs: {o: }\n",
        "...\n",
    ],
)
def test_what_azure_ml_takes_is_taken(tmp_path: Path, more: str) -> None:
    assert judged(tmp_path, JOB + more).problems == ()


@pytest.mark.parametrize(
    "more",
    [
        "tags: {a: 1.0e+3}\n",
        "tags: {a: 5}\n",
        "experiment_name: 0x1F\n",
        "resources: {shm_size: 2048}\n",
        "resources: {shm_size: big}\n",
        "distribution: {type: tensor_flow}\n",
        "distribution: {type: pytorch, worker_count: 1}\n",
        "tags: {<<: x}\n",
        "tags: {a: !own x}\n",
        "---\na: 1\n",
        "\ttags: {}\n",
    ],
)
def test_what_azure_ml_refuses_is_refused_with_the_line(tmp_path: Path, more: str) -> None:
    (problem,) = judged(tmp_path, JOB + more).problems
    assert problem.line in (6, 7)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("first", ["", "\ufeff", "---\n", "%YAML 1.2\n---\n", "# a comment\n"])
def test_line_ends_and_the_start_of_a_file_do_not_matter(tmp_path: Path, ending: str, first: str) -> None:
    assert judged(tmp_path, (first + JOB).replace("\n", ending)).problems == ()


def test_the_arguments_of_a_spark_step_name_what_the_step_declares(tmp_path: Path) -> None:
    step = "{type: spark, code: ., entry: {file: a.py}, inputs: {x: '${{parent.inputs.d}}'}, args: 'a ${{inputs.%s}}'}"
    inputs = "type: pipeline\ninputs: {d: {type: uri_file, path: ./x}}\njobs:\n  s:\n    "
    assert judged(tmp_path, inputs + step % "x").problems == ()
    (problem,) = judged(tmp_path, inputs + step % "d").problems
    assert problem.key == "jobs.s.args"


def test_ssh_settings_of_a_cluster_need_a_user(tmp_path: Path) -> None:
    cluster = "name: c\ntype: amlcompute\nsize: s\n"
    assert judged(tmp_path, cluster + "ssh_settings: {admin_username: a}\n").problems == ()
    (problem,) = judged(tmp_path, cluster + "ssh_settings: {ssh_key_value: k}\n").problems
    assert problem.key == "ssh_settings.admin_username"


@pytest.mark.parametrize(("written", "is_taken"), [("URI_FOLDER", True), ("Uri_Folder", True), ("uriFolder", False)])
def test_a_type_of_data_is_in_any_case_and_in_snake_case(tmp_path: Path, written: str, is_taken: bool) -> None:
    text = JOB.replace("  a: 1", f"  a: {{type: {written}, path: ./x}}")
    assert judged(tmp_path, text).accepted == is_taken


def test_a_component_and_a_data_asset_write_their_types_exactly(tmp_path: Path) -> None:
    component = "name: c\ntype: command\nversion: 1\ncommand: ls\nenvironment: azureml:e:1\ninputs: {a: {type: %s}}\n"
    data = "$schema: x/data.schema.json\nname: d\ntype: %s\npath: ./x\n"
    for text in (component, data):
        assert judged(tmp_path, text % "uri_folder").problems == ()
        (problem,) = judged(tmp_path, text % "URI_FOLDER").problems
        assert "did you mean 'uri_folder'" in problem.message or "not one of" in problem.message


PIPELINE = "type: pipeline\ninputs: {lr: 0.1}\njobs:\n  s:\n    "
SWEEP = (
    "{type: sweep, sampling_algorithm: random, search_space: {x: {type: choice, values: [1]}}, inputs: {d: 1}, "
    "objective: {goal: minimize, primary_metric: m}, limits: {max_total_trials: 1}, "
    "trial: {environment: 'azureml:e:1', command: 'echo %s'}}"
)


@pytest.mark.parametrize("named", ["${{search_space.x}}", "${{inputs.d}}", "${{inputs.x}}"])
def test_an_inline_trial_of_a_step_names_what_is_tried_and_what_the_step_is_given(tmp_path: Path, named: str) -> None:
    assert judged(tmp_path, PIPELINE + SWEEP % named).problems == ()


@pytest.mark.parametrize("named", ["${{search_space.y}}", "${{inputs.lr}}", "${{outputs.o}}"])
def test_an_inline_trial_that_names_something_else_is_refused(tmp_path: Path, named: str) -> None:
    (problem,) = judged(tmp_path, PIPELINE + SWEEP % named).problems
    assert (problem.key, problem.line) == ("jobs.s.trial.command", 5)


def test_what_azure_ml_passes_over_in_a_step_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("type: pipeline\njobs: {a: {command: ls, environment: 'azureml:e:1'}}\n")
    for step in ("{type: pipeline, component: ./c.yml, settings: {}}", SWEEP[:-1] % "a" + ", settings: {}}"):
        judgement = judged(tmp_path, PIPELINE + step)
        assert (judgement.problems, [note.key for note in judgement.notes]) == ((), ["jobs.s.settings"])


COMPONENT = (
    "type: command\ncommand: echo ${{inputs.crop}}\nenvironment: azureml:e:1\n"
    "inputs: {crop: {type: string, enum: ['True', 'False']}, n: {type: integer, max: 3, optional: true}}\n"
)


@pytest.mark.parametrize("given", ["{crop: 224}", "{crop: 'True', n: 4}", "{crop: 'True', m: 1}"])
def test_values_that_a_component_does_not_allow_pass_azures_loader_and_are_refused_here(
    tmp_path: Path, given: str
) -> None:
    (tmp_path / "c.yml").write_text(COMPONENT)
    text = f"type: pipeline\njobs:\n  s: {{component: ./c.yml, inputs: {given}}}\n"
    judgement = judged(tmp_path, text)
    assert (judgement.problems, len(judgement.notes)) == ((), 1)
    (problem,) = judge(tmp_path / "job.yml").problems
    assert (problem.line, problem.message) == (3, judgement.notes[0].message)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("$schema: x/schedule.schema.json\nname: s\ntrigger: {}\ncreate_monitor: {}\n", "schedule/create_monitor"),
        ("$schema: x/schedule.schema.json\nname: s\ntrigger: {}\nimport_data: {}\n", "schedule/import_data"),
        ("type: mltable\nname: d\npath: ./x\nsource: {type: database, query: q}\n", "data_import"),
    ],
)  # fmt: skip
def test_kinds_that_are_not_read_are_called_by_their_names(tmp_path: Path, text: str, kind: str) -> None:
    (problem,) = judged(tmp_path, text).problems
    assert problem.message.startswith(f"{kind!r} is no kind treering knows")
