"""``--set`` changes the tree before it is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.kernel.refusal import Refused
from treering.specs.nodes import Plain, plain
from treering.specs.overrides import apply
from treering.specs.validate import judge
from treering.specs.yaml_text import parse_yaml


def changed(text: str, *overrides: str) -> Plain:
    return plain(apply(parse_yaml(text, "f"), overrides))


@pytest.mark.parametrize(
    ("override", "result"),
    [
        ("a.b=2", {"a": {"b": 2, "c": [1, 2]}}),
        ("a.b=0.5", {"a": {"b": 0.5, "c": [1, 2]}}),
        ("a.b=true", {"a": {"b": True, "c": [1, 2]}}),
        ('a.b="2"', {"a": {"b": "2", "c": [1, 2]}}),
        ("a.b=x=y", {"a": {"b": "x=y", "c": [1, 2]}}),
        ("a.b=", {"a": {"b": "", "c": [1, 2]}}),
        ("a.b=null", {"a": {"b": None, "c": [1, 2]}}),
        ("a.c.1=9", {"a": {"b": 1, "c": [1, 9]}}),
        ("a.c[0]=9", {"a": {"b": 1, "c": [9, 2]}}),
        ("d.e.f=1", {"a": {"b": 1, "c": [1, 2]}, "d": {"e": {"f": 1}}}),
        ("a=1", {"a": 1}),
    ],
)
def test_an_override_is_put_in_its_place(override: str, result: Plain) -> None:
    assert changed("a: {b: 1, c: [1, 2]}", override) == result


def test_overrides_are_put_in_one_after_the_other_and_leave_the_tree_as_it_was() -> None:
    root = parse_yaml("a: {b: 1}", "f")
    assert plain(apply(root, ["a.b=2", "a.b=3", "a.c=4"])) == {"a": {"b": 3, "c": 4}}
    assert plain(root) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    "override", ["a", "=1", "a..b=1", "a.b.c=1", "l.5=1", "l.x=1", "l.-1=1", ".".join("x" * 40) + "=1", "a.b=\udcff"]
)
def test_an_override_that_makes_no_sense_is_refused(override: str) -> None:
    with pytest.raises(Refused, match="--set") as refused:
        changed("a: {b: text}\nl: [1]", override)
    assert refused.value.code == "set.invalid"


def test_a_problem_with_an_override_names_it_and_not_a_line(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    path.write_text("command: echo\nenvironment: {image: python}\n")
    (problem,) = judge(path, ["resources.instance_count=two"]).problems
    assert str(problem) == (
        "--set resources.instance_count: resources.instance_count: a whole number is needed here, not 'two'"
    )
