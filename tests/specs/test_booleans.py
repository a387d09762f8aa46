"""A boolean reaches the command as Azure ML's clients send it, and every other value as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from treering.domain.job_spec import EnvironmentSpec, InputSpec, JobSpec
from treering.specs.conda import read_conda
from treering.specs.job_draft import JobDraft
from treering.specs.prepared import load_job
from treering.specs.submitted import check_job
from treering.specs.validate import judge

BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On"), "True"),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "OFF"), "False"),
}
# What is no boolean to Azure's reader stays as it is; of numbers Azure would change the text.
OTHERS = {
    "y": "y", "n": "n", "'true'": "true", '"yes"': "yes", "yEs": "yEs", "1": "1", "1.0": "1.0", "0.10": "0.10",
    "1e-3": "1e-3", "007": "007", "0x1f": "0x1f", "2024-01-01": "2024-01-01", "18446744073709551615":
    "18446744073709551615", "1e999": "1e999", "-0.0": "-0.0",
}  # fmt: skip


def load(folder: Path, text: str, *overrides: str) -> JobDraft:
    path = folder / "job.yml"
    path.write_text(f"command: echo ${{{{inputs.x}}}}\nenvironment: {{python: '3.11'}}\n{text}\n")
    assert judge(path, overrides).accepted
    return load_job(path, overrides)


@pytest.mark.parametrize(("written", "said"), [*BOOLEANS.items(), *OTHERS.items()])
def test_of_a_file(tmp_path: Path, written: str, said: str) -> None:
    for inputs in (f"inputs: {{x: {written}}}", f"inputs: {{x: {{value: {written}}}}}"):
        draft = load(tmp_path, f"{inputs}\nenvironment_variables: {{X: {written}}}")
        given = draft.inputs["x"]
        assert (given.literal, draft.environment_variables["X"]) == (said, said)
        assert (given.type == "boolean") == (written in BOOLEANS)
        check_job(JobSpec("echo", EnvironmentSpec(), inputs={"x": given}))


@pytest.mark.parametrize("written", ["true", "True", "no", "1.10"])
def test_what_is_given_by_set_is_text(tmp_path: Path, written: str) -> None:
    """As with az, which hands the text on."""
    draft = load(tmp_path, "inputs: {x: 1}", f"inputs.x={written}", f"environment_variables.X={written}")
    assert (draft.inputs["x"].literal, draft.environment_variables["X"]) == (written, written)


def test_a_tag_that_looks_like_a_boolean_is_text(tmp_path: Path) -> None:
    assert load(tmp_path, "inputs: {x: 1}\ntags: {a: yes, b: 'true'}").tags == {"a": "yes", "b": "true"}


def test_a_variable_of_a_conda_file(tmp_path: Path) -> None:
    path = tmp_path / "conda.yml"
    path.write_text("dependencies: [python=3.11]\nvariables: {A: true, B: 1.0, C: 'true'}\n")
    assert read_conda(path).variables == {"A": "True", "B": "1.0", "C": "true"}


def test_a_job_of_an_older_release_says_what_its_command_got() -> None:
    old = InputSpec("boolean", value=True)
    assert (old.literal, replace(old, written="True").literal) == ("true", "True")


@pytest.mark.parametrize(
    ("default", "fits"), [("yes", True), ("off", True), ("'true'", True), ("'yes'", False), ("1", False), ("y", False)]
)
def test_the_default_of_a_boolean_parameter(tmp_path: Path, default: str, fits: bool) -> None:
    path = tmp_path / "c.yml"
    head = "name: c\ntype: command\nversion: 1\ncommand: echo ${{inputs.x}}\nenvironment: azureml:e:1\n"
    path.write_text(f"{head}inputs: {{x: {{type: boolean, default: {default}}}}}\n")
    assert judge(path).accepted == fits
