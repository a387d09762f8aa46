"""What ``--set`` and options gave is never blamed on a line of the file, and what has no place is said without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.client.environments import load_environment
from treering.kernel.refusal import Refused
from treering.specs.changes import changed_texts
from treering.specs.model_draft import load_model
from treering.specs.nodes import Problem
from treering.specs.prepared import load_job

JOB = "command: echo\nenvironment: {python: '3.11', image: 'python:3.11'}\n"


@pytest.mark.parametrize(
    "given",
    [
        "environment.python=x",
        "environment.image=foo/bar:1",
        'environment.requirements=["a b c"]',
        "environment.image=a:b:c",
    ],
)
def test_a_part_of_an_environment_is_blamed_on_its_set(tmp_path: Path, given: str) -> None:
    (tmp_path / "job.yml").write_text(JOB)
    with pytest.raises(Refused) as refused:
        load_job(tmp_path / "job.yml", [given])
    assert refused.value.detail.startswith(f"--set {given.partition('=')[0]}: environment: ")


def test_a_part_of_the_file_is_still_blamed_on_its_line(tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text(JOB.replace("python:3.11", "foo/bar:1"))
    with pytest.raises(Refused) as refused:
        load_job(tmp_path / "job.yml", ["environment.python=3.12"])
    assert refused.value.detail.startswith(f"{tmp_path}/job.yml:2: environment: 'foo/bar:1'")


def test_a_set_of_an_update_without_a_name_says_what_to_write() -> None:
    with pytest.raises(Refused, match=r"before the '=': write display_name=VALUE or tags\.NAME=VALUE"):
        changed_texts(["=x"], {}, ("display_name",))


def test_what_options_say_has_no_empty_place_before_it(tmp_path: Path) -> None:
    for read in (
        lambda: load_environment(None, (), {"name": "x", "image": "foo/bar:1"}),
        lambda: load_environment(None, (), {"name": "a b", "image": "python:3.11"}),
        lambda: load_model(None, (), {"name": "x", "path": str(tmp_path / "nope")}),
        lambda: load_model(None, (), {"name": "a b", "path": str(tmp_path)}),
    ):
        with pytest.raises(Refused) as refused:
            read()
        assert refused.value.detail[:1] not in (":", " ", "")


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Problem("f", 3, "k", "m"), "f:3: k: m"),
        (Problem("f", 0, "", "m"), "f: m"),
        (Problem("", 0, "k", "m"), "k: m"),
        (Problem("", 0, "", "m"), "m"),
    ],
)
def test_a_problem_is_joined_from_the_parts_there_are(problem: Problem, said: str) -> None:
    assert str(problem) == said
