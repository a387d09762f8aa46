"""A file with several faults is told all of them at once, by ``validate`` and by ``create``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from treering.client.environments import load_environment
from treering.kernel.refusal import Refused
from treering.specs.compute_draft import load_compute
from treering.specs.model_draft import load_model
from treering.specs.prepared import load_job
from treering.specs.validate import judge

# Each is wrong in its own way: by the schema, by a file, by the server's rules, by a secret.
FAULTS = {
    "command": 'command: "echo --password hunter22"',
    "nvcr.io/x:1": "environment: {image: 'nvcr.io/x:1', wrong: 1}",
    "environment.wrong": "",
    "code": "code: nowhere",
    "displayname": "displayname: x",
    "compute": "compute: <your compute>",
    "timeout_seconds": "limits: {timeout: 999999999}",
    "resources.instance_count": "resources: {instance_count: 2}",
    "inputs.file": "inputs: {file: {path: gone.csv}, mode: {path: gone.csv, mode: fast}, far: {path: 'wasbs://c@a/x'}}",
    "inputs.mode.mode": "",
    "inputs.far": "",
    "outputs.o.path": "outputs: {o: {path: ./here}}",
    "bad name": "environment_variables: {'bad name': x, '2nd': y, A: 1}",
    "2nd": "",
    "secret_variables": "secret_variables: [GONE]",
    "experiment": "experiment_name: a/b",
}


def test_of_a_job(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    path.write_text("\n".join(filter(None, FAULTS.values())))
    said = [str(problem) for problem in judge(path).problems]
    for key in FAULTS:
        assert any(key in one.replace("'", "") for one in said), (key, said)
    assert len(said) == len(set(said)) and len(said) <= len(FAULTS) + 1, said
    with pytest.raises(Refused) as refused:
        load_job(path)
    assert refused.value.code == "job.invalid" and refused.value.detail.splitlines() == said
    assert "hunter22" not in refused.value.detail


@pytest.mark.parametrize("left_out", [key for key, line in FAULTS.items() if line])
def test_of_a_job_that_has_all_but_one(tmp_path: Path, left_out: str) -> None:
    """No fault hides another."""
    good = {"command": "command: echo", "nvcr.io/x:1": "environment: {python: '3.11'}"}
    path = tmp_path / "job.yml"
    path.write_text("\n".join({**FAULTS, left_out: good.get(left_out, "")}.values()))
    one_less = len(judge(path).problems)
    path.write_text("\n".join(FAULTS.values()))
    assert one_less < len(judge(path).problems)


def test_of_an_environment(tmp_path: Path) -> None:
    (tmp_path / "conda.yml").write_text("dependencies: [python=3.11]\nvariables: {'a b': x}\n")
    path = tmp_path / "env.yml"
    path.write_text("name: a b\nwrong: 1\nos_type: amiga\nconda_file: conda.yml\ntags: {t: x}\n")
    said = [str(problem) for problem in judge(path).problems]
    for key in ("'a b' is not", "wrong", "os_type", "environment.variables"):
        assert any(key in one for one in said), (key, said)
    with pytest.raises(Refused) as refused:
        load_environment(path, ())
    assert refused.value.detail.splitlines() == said


def test_of_a_model_and_of_a_compute(tmp_path: Path) -> None:
    path = tmp_path / "m.yml"
    path.write_text("$schema: x/model.schema.json\nname: m\npath: gone\nwrong: 1\ntype: best\n")
    said = [str(problem) for problem in judge(path).problems]
    assert all(any(word in one for one in said) for word in ("wrong", "gone", "'best'"))
    with pytest.raises(Refused) as refused:
        load_model(path, ())
    assert refused.value.detail.splitlines() == said
    path.write_text("type: amlcompute\nname: a b\nwrong: 1\nmax_instances: x\nsize: 'https://u:secret@h/x'\n")
    said = [str(problem) for problem in judge(path).problems]
    assert [problem.key for problem in judge(path).problems] == ["name", "wrong", "max_instances", "size"]
    with pytest.raises(Refused) as refused:
        load_compute(path, ())
    assert refused.value.detail.splitlines() == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "m", "path": "azureml://jobs/j"}, "--path: path: 'azureml://jobs/j' is no reference"),
        ({"name": "a/b", "path": "azureml:m:1"}, "--name: name 'a/b' is not allowed"),
    ],
)
def test_one_fault_of_a_model_without_a_file_is_one_line_that_begins_with_what_is_wrong(
    options: dict[str, str], said: str
) -> None:
    with pytest.raises(Refused) as refused:
        load_model(None, (), options)
    assert refused.value.detail.startswith(said) and len(refused.value.detail.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("bad name", "x", "use letters"), ("", "x", "is empty"), ("A=B", "x", "use letters"), ("1A", "x", "no digit"),
        ("A\nB", "x", "use letters"), ("é", "x", "use letters"), ("$A", "x", "use letters"), ("A", "a\0b", "NUL"),
    ],
)  # fmt: skip
def test_a_variable_that_cannot_be_set_is_refused_with_its_line(
    tmp_path: Path, name: str, value: str, why: str
) -> None:
    path = tmp_path / "job.yml"
    variables = f"environment_variables: {{{json.dumps(name)}: {json.dumps(value)}}}"
    path.write_text(f"command: echo\nenvironment: {{python: '3.11'}}\n{variables}\n")
    (problem,) = judge(path).problems
    assert problem.line == 3 and why in problem.message and "\n" not in problem.message
    with pytest.raises(Refused, match=r"^job\.variable"):
        load_job(path)


@pytest.mark.parametrize("name", ["A", "_a1", "a.b", "A-B", "Ab9"])
def test_a_variable_that_a_container_could_have_is_set_with_all_its_lines(tmp_path: Path, name: str) -> None:
    path = tmp_path / "job.yml"
    path.write_text(
        f"command: echo\nenvironment: {{python: '3.11'}}\nenvironment_variables:\n  {name}: |\n    a\n    b\n"
    )
    assert judge(path).submittable and load_job(path).environment_variables == {name: "a\nb\n"}


@pytest.mark.parametrize("secret", ["https://u:canary77@h/x", f"ghp_canary77{'a' * 24}"])
@pytest.mark.parametrize("key", ["limits", "code", "compute", "type", "inputs", "identity", "wrong", "name", "network"])
def test_no_message_shows_a_secret(tmp_path: Path, key: str, secret: str) -> None:
    path = tmp_path / "job.yml"
    path.write_text(f"command: echo\nenvironment: {{python: '3.11'}}\n{key}: '{secret}'\n")
    problems = judge(path).problems
    assert problems and not any("canary77" in str(problem) for problem in problems)


@pytest.mark.parametrize("key", ["conda_file", "requirements"])
def test_a_path_with_a_nul_is_a_fault_like_another(tmp_path: Path, key: str) -> None:
    path = tmp_path / "job.yml"
    path.write_text(f'command: echo\nenvironment:\n  {key}: "a\\0b"\n  wrong: 1\n')
    assert [problem.line for problem in judge(path).problems] == [3, 4]
