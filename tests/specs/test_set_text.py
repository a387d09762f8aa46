"""What ``--set`` gives is text, exactly as written, wherever the schema says text; in every verb that has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.client.environments import load_environment
from treering.domain.job_spec import EnvironmentSpec, InputSpec, JobSpec
from treering.kernel.refusal import Refused
from treering.specs.changes import changed_texts
from treering.specs.expressions import render
from treering.specs.job_draft import JobDraft
from treering.specs.model_draft import load_model
from treering.specs.prepared import load_job
from treering.specs.submitted import check_job
from treering.specs.validate import judge

JOB = "command: echo ${{inputs.s}}\nenvironment: {python: '3.11'}\ninputs: {s: x}\n"
WRITTEN = [
    "42", "1.10", "1e-4", "007", "0x1f", "1_000", "true", "False", "null", "~", "2024-01-01", "12:30", ".nan", "1e999",
    "12345678901234567890123", "a=b", "a b", "ü 中", "{a}", '{"a":"b"}', "[1,2]", "[ -f x ]", "-1", "yes", "a\nb",
    "'tis",
]  # fmt: skip


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "w.bin").write_text("w")
    path = tmp_path / "job.yml"
    path.write_text(JOB)
    return path


def load(job: Path, *overrides: str) -> JobDraft:
    assert judge(job, overrides).accepted
    return load_job(job, overrides)


@pytest.mark.parametrize("written", WRITTEN)
def test_in_a_job(job: Path, written: str) -> None:
    texts = ("tags.build", "description", "environment_variables.B", "display_name")
    overrides = [f"{key}={written}" for key in texts[: 3 if "\n" in written else 4]]  # a title is one line
    draft = load(job, *overrides)
    found = (draft.tags["build"], draft.description, draft.environment_variables["B"])
    assert (*found, draft.display_name or written) == (written,) * 4


@pytest.mark.parametrize("written", [one for one in WRITTEN if not one.startswith('{"')])
def test_on_the_command_line_of_a_job(job: Path, written: str) -> None:
    given = load(job, f"inputs.s={written}").inputs["s"]
    assert given.literal == written
    assert render("${{inputs.s}}", {"s": given.literal}, {}) == written
    check_job(JobSpec("echo ${{inputs.s}}", EnvironmentSpec(), inputs={"s": given}))


@pytest.mark.parametrize("written", WRITTEN)
def test_in_an_update(written: str) -> None:
    asked = changed_texts([f"description={written}", f"tags.a={written}"], {"b": "1"}, ("description",))
    assert asked == {"description": written, "tags": {"a": written, "b": "1"}}


@pytest.mark.parametrize("written", WRITTEN)
def test_in_a_model_and_an_environment(tmp_path: Path, job: Path, written: str) -> None:
    (tmp_path / "model.yml").write_text("name: m\npath: w.bin\n")
    (tmp_path / "env.yml").write_text("name: e\npython: '3.11'\n")
    overrides = [f"description={written}", f"tags.a={written}"]
    model = load_model(tmp_path / "model.yml", overrides)
    assert (model.description, model.tags) == (written, {"a": written})
    environment = load_environment(tmp_path / "env.yml", overrides)
    assert (environment["description"], environment["tags"]) == (written, {"a": written})
    bare = load_model(None, overrides, {"name": "m", "path": str(tmp_path / "w.bin")})
    assert (bare.description, bare.tags) == (written, {"a": written})


def test_names_that_look_like_numbers(job: Path) -> None:
    draft = load(job, "name=20240101", "compute=12", "environment.python=3.10", "experiment_name=1.10")
    assert (draft.name, draft.compute, draft.environment.python) == ("20240101", "12", "3.10")
    assert draft.experiment == "1.10"


@pytest.mark.parametrize("written", ["1e-4", "1.10", "0.0001", "1.0", "0x1F", "+3", "2024-01-01"])
def test_what_a_file_says_is_what_the_command_line_gets(job: Path, written: str) -> None:
    job.write_text(JOB.replace("s: x", f"s: {written}"))
    assert load(job).inputs["s"].literal == written
    job.write_text(JOB.replace("s: x", f"s: {{value: {written}}}"))
    assert load(job).inputs["s"].literal == written


def test_numbers_stay_numbers_where_numbers_are_needed(job: Path) -> None:
    draft = load(job, "limits.timeout=60", "inputs.s=3", "resources.instance_count=1")
    assert (draft.timeout_seconds, draft.inputs["s"]) == (60.0, InputSpec("integer", value=3))
    for override in (
        "limits.timeout=soon",
        "limits.timeout=1.5",
        "resources.instance_count=null",
        "limits.timeout='60'",
    ):
        (problem,) = judge(job, [override]).problems
        assert "a whole number is needed" in problem.message


def test_json_is_a_mapping_or_a_list_where_one_is_allowed(job: Path, tmp_path: Path) -> None:
    draft = load(job, 'tags={"a": "b", "n": 1.10, "t": true}', 'inputs={"s": {"type": "uri_file", "path": "w.bin"}}')
    assert draft.tags == {"a": "b", "n": "1.10", "t": "true"}
    assert draft.local_inputs == {"s": tmp_path / "w.bin"}
    assert load(job, "tags={'a':'b'}").tags == {"a": "b"}
    assert load(job, 'tags={"a":"b"}', "tags.c=d").tags == {"a": "b", "c": "d"}
    requirements = load(job, 'environment={"python": "3.11", "requirements": ["x==1", "y"]}').environment.requirements
    assert requirements == ("x==1", "y")
    assert changed_texts(['tags={"a":"b"}'], {"c": "d"}, ()) == {"tags": {"a": "b"}}


@pytest.mark.parametrize(
    "override",
    ['tags={"a":{"b":"c"}}', "tags=x", 'tags={"a":"b","a":"c"}', 'tags={"a":"\\ud800"}', "tags=" + "[" * 9999],
)
def test_json_that_does_not_fit_is_refused(job: Path, override: str) -> None:
    with pytest.raises(Refused):
        load_job(job, [override])
    assert not judge(job, [override]).accepted


def test_a_tag_may_have_dots_in_its_name_and_an_empty_value(job: Path) -> None:
    overrides = ["tags.mlflow.note=1", "environment_variables.a.b=2", "tags.e="]
    draft = load(job, *overrides)
    assert (draft.tags, draft.environment_variables) == ({"mlflow.note": "1", "e": ""}, {"a.b": "2"})
    assert changed_texts(["tags.x.y=1", "tags.z="], {"z": "0"}, ()) == {"tags": {"x.y": "1"}}


def test_quotes_around_the_whole_value_are_not_part_of_it(job: Path) -> None:
    assert load(job, 'tags.a="2"', "inputs.s='1.10'", 'description="it\'s"').tags == {"a": "2"}
    assert load(job, "inputs.s='null'").inputs["s"] == InputSpec("string", value="null")


def test_what_an_update_cannot_change_is_named() -> None:
    with pytest.raises(Refused, match=r"--set descripton: only description, tags\.NAME can be changed; did you mean"):
        changed_texts(["descripton=x"], {}, ("description",))


def test_the_text_of_a_number_says_the_same_as_the_number() -> None:
    spec = JobSpec("echo", EnvironmentSpec(), inputs={"s": InputSpec("number", value=1.1, written="1.10")})
    check_job(spec)
    for written in ("1.2", "x", "true", "1\0"):
        with pytest.raises(Refused):
            check_job(JobSpec("echo", EnvironmentSpec(), inputs={"s": InputSpec("number", value=1.1, written=written)}))
