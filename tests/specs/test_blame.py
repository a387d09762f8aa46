"""What --set and options gave is blamed on them, never on a line of the file, and all that is wrong is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.client.environments import load_environment
from treering.kernel.refusal import Refused
from treering.specs.changes import changed_texts
from treering.specs.compute_draft import load_compute
from treering.specs.model_draft import load_model
from treering.specs.validate import judge
from treering.specs.workspace_draft import load_workspace

JOB = "command: echo\nenvironment:\n  python: '3.11'\n"
FAULTS = {
    "environment.image=nope": "--set environment.image: environment: 'nope' is not known",
    'environment.conda_file={"dependencies":[{"pip":["--find-links x"]}]}': "--set environment.conda_file: ",
    "display_name=a\tb": "--set display_name: ",
    "compute=a b": "--set compute: compute: ",
    "inputs.x.path=nowhere": "--set inputs.x.path: inputs.x.path: ",
    "limits.timeout=long": "--set limits.timeout: ",
    "nope=1": "--set nope: ",
}


@pytest.mark.parametrize("given", FAULTS)
def test_a_fault_of_set_names_its_set(tmp_path: Path, given: str) -> None:
    (tmp_path / "job.yml").write_text(JOB)
    problems = [str(one) for one in judge(tmp_path / "job.yml", [given]).problems]
    assert any(one.startswith(FAULTS[given]) for one in problems), problems
    assert not any("job.yml" in one.partition(": ")[2] or one.startswith(str(tmp_path)) for one in problems), problems


def test_a_fault_of_the_file_names_its_line_whatever_set_gives_beside_it(tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text(JOB.replace("python: '3.11'", "image: nope"))
    (problem,) = judge(tmp_path / "job.yml", ["environment.description=x", "display_name=nope"]).problems
    assert (problem.file, problem.line) == (str(tmp_path / "job.yml"), 3)


def lines(refused: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [line.partition(": ")[0] for line in refused.value.detail.splitlines()]


def test_everything_wrong_with_what_options_say_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        load_model(None, (), {"name": "a/b", "path": str(tmp_path / "no"), "version": "latest"})
    assert lines(refused) == ["--name", "--version", "--path"]
    with pytest.raises(Refused) as refused:
        load_environment(None, ("python=three",), {"name": "a b"})
    assert lines(refused) == ["--name", "--set python"]
    (tmp_path / "c.yml").write_text("name: c\ntype: amlcompute\n")
    with pytest.raises(Refused) as refused:
        load_compute(tmp_path / "c.yml", ("max_instances=99999",))
    assert lines(refused) == ["--set max_instances"]
    (tmp_path / "w.yml").write_text("description: d\n")
    with pytest.raises(Refused) as refused:
        load_workspace(tmp_path / "w.yml", ("name=a/b", "display_name=a\tb"))
    assert lines(refused) == ["--set name", "--set display_name"]
    with pytest.raises(Refused) as refused:
        changed_texts(("foo=1", "bar=2", "foo=3"), {}, ("description",))
    assert lines(refused) == ["--set foo", "--set bar"]
