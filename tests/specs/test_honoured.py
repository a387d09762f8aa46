"""Every key that is accepted is carried out, noted or refused: no key is passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.specs.honoured import READ_OVER, is_like, table_of
from treering.specs.kinds import KINDS
from treering.specs.prepared import load_job
from treering.specs.shapes import keys
from treering.specs.validate import judge

JOB = "command: echo\nenvironment: {python: '3.11'}\n"
CREATED = [kind for kind in KINDS if table_of(kind)]


@pytest.mark.parametrize("kind", CREATED)
def test_every_key_of_the_schema_is_carried_out_or_noted(kind: str) -> None:
    table = table_of(kind)
    assert table is not None
    for path in keys(KINDS[kind]):
        is_noted = any(table.note(path[:length]) for length in range(1, len(path) + 1))
        is_honoured = any(is_like(path, pattern) for pattern in table.honoured)
        assert is_noted + is_honoured == 1 or (not is_honoured and path[-1] in READ_OVER), ".".join(path)


@pytest.mark.parametrize("kind", CREATED)
def test_no_table_names_a_key_that_the_schema_lacks(kind: str) -> None:
    table = table_of(kind)
    assert table is not None
    known = set(keys(KINDS[kind]))
    for pattern in (*table.honoured, *table.noted):
        assert any(is_like(path, pattern) for path in known), pattern


def job(folder: Path, more: str) -> Path:
    (folder / "x").mkdir(exist_ok=True)
    (folder / "env.yml").write_text("python: '3.11'\nos_type: windows\n")
    path = folder / "job.yml"
    path.write_text(JOB + more)
    return path


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("services: {tb: {type: tensor_board, log_dir: logs}}", "services"),
        ("identity: {type: managed, client_id: x}", "identity.type"),
        ("queue_settings: {job_tier: spot, priority: low}", "queue_settings"),
        ("resources: {instance_type: Standard_NC6}", "resources.instance_type"),
        ("resources: {shm_size: 2g}", "resources.shm_size"),
        ("resources: {docker_args: ['--ipc=host']}", "resources.docker_args"),
        ("resources: {max_instance_count: 4}", "resources.max_instance_count"),
        ("resources: {locations: [eastus]}", "resources.locations"),
        ("resources: {properties: {a: {b: c}}}", "resources.properties"),
        ("distribution: {type: pytorch}", "distribution"),
        ("properties: {a: b}", "properties"),
        ("parent_job_name: p", "parent_job_name"),
        ("outputs: {o: {path: 'azureml://datastores/d/paths/x'}}", "outputs.o.path"),
        ("outputs: {o: {mode: direct}}", "outputs.o.mode"),
        ("outputs: {o: {type: uri_folder, name: d}}", "outputs.o.name"),
        ("inputs: {i: {type: mltable, path: x, mode: eval_mount}}", "inputs.i.mode"),
        ("inputs: {i: {path: x, path_on_compute: /d}}", "inputs.i.path_on_compute"),
    ],
)
def test_what_is_not_carried_out_is_noted_with_the_job(tmp_path: Path, more: str, key: str) -> None:
    path = job(tmp_path, more)
    judgement, draft = judge(path), load_job(path)
    assert judgement.accepted
    assert key in [note.key for note in judgement.notes]
    assert [note for note in draft.notes if note.startswith(f"{key} ")]
    assert all(note.line == 3 for note in judgement.notes)


@pytest.mark.parametrize(
    "more",
    [
        "identity: {type: user_identity}",
        "outputs: {o: {mode: rw_mount}, p: {mode: upload, type: custom_model, name: m}}",
        "inputs: {i: {path: x, mode: download}, j: {path: x, mode: RO_Mount}, k: 3}",
        "resources: {instance_count: 1}\nlimits: {timeout: 60}\ntags: {a: b}",
        "$schema: x/commandJob.schema.json\nid: x\nstatus: Completed",
    ],
)
def test_what_is_carried_out_is_not_noted(tmp_path: Path, more: str) -> None:
    path = job(tmp_path, more)
    assert (judge(path).notes, load_job(path).notes) == ((), ())


def test_an_environment_in_a_file_of_its_own_is_noted_too(tmp_path: Path) -> None:
    path = job(tmp_path, "")
    path.write_text("command: echo\nenvironment: file:env.yml\n")
    (note,) = judge(path).notes
    assert (Path(note.file).name, note.line, note.key) == ("env.yml", 2, "environment.os_type")


def test_a_value_of_set_is_noted_too(tmp_path: Path) -> None:
    (note,) = load_job(job(tmp_path, ""), ["resources.shm_size=2g"]).notes
    assert note.startswith("resources.shm_size is not carried out")


@pytest.mark.parametrize(
    ("more", "code", "key"),
    [
        (
            "distribution: {type: pytorch, process_count_per_instance: 2}",
            "job.distribution",
            "process_count_per_instance",
        ),
        ("distribution: {type: mpi, process_count_per_instance: 2}", "job.distribution", "process_count_per_instance"),
        ("distribution: {type: tensorflow, worker_count: 2}", "job.distribution", "worker_count"),
        ("distribution: {type: tensorflow, parameter_server_count: 1}", "job.distribution", "parameter_server_count"),
        ("resources: {instance_count: 2}", "job.instance_count", "instance_count"),
    ],
)
def test_more_than_one_process_is_refused(tmp_path: Path, more: str, code: str, key: str) -> None:
    (problem,) = judge(job(tmp_path, more)).problems
    assert (problem.code, problem.line) == (code, 3)
    assert key in str(problem)


def test_a_cluster_is_told_which_of_its_keys_mean_nothing_here(tmp_path: Path) -> None:
    path = tmp_path / "compute.yml"
    path.write_text("type: amlcompute\nname: c\nsize: Standard_DS3_v2\nmax_instances: 4\ntags: {a: b}\n")
    judgement = judge(path)
    assert judgement.submittable
    assert [(note.key, note.line) for note in judgement.notes] == [("size", 3)]
