"""Whatever text somebody writes: it is read or refused, and nothing else happens."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from treering.kernel.refusal import Refused
from treering.specs import expressions, overrides
from treering.specs.kinds import KINDS
from treering.specs.nodes import Report, plain
from treering.specs.prepared import load_job
from treering.specs.references import parse_reference
from treering.specs.validate import judge
from treering.specs.yaml_text import parse_yaml

WORDS = st.sampled_from(
    [
        "command", "environment", "inputs", "outputs", "jobs", "type", "path", "mode", "trial", "search_space", "name",
        "component", "settings", "traffic", "trigger", "create_job", "default", "min", "max", "enum", "optional",
        "values", "choice", "uniform", "number", "pipeline", "sweep", "azureml:a:1", "file:x", "${{inputs.a}}",
        "${{parent.jobs.a.outputs.b}}", "$[[ ${{inputs.a}} ]]", "a", "",
    ]
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), WORDS, st.text(max_size=8))
TREES = st.recursive(
    SCALARS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(WORDS, children, max_size=6),
    max_leaves=15,
)
MAPS = st.dictionaries(WORDS, TREES, max_size=8)
MARKS = st.text(alphabet="{}[]:,-?&*!|>'\"#%@`$ \n\tab01.~<", max_size=120)


# The machine may be busy: how long an example takes says nothing here.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def as_file(raw: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.yml"
        path.write_bytes(raw)
        yield path


@unhurried
@given(st.one_of(st.binary(max_size=300), MARKS.map(str.encode)))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with as_file(raw) as path:
        judge(path)
        with suppress(Refused):
            load_job(path)


@unhurried
@given(MARKS)
def test_what_is_read_means_the_same_when_it_is_written_again(text: str) -> None:
    try:
        found = plain(parse_yaml(text, "f"))
    except Refused:
        return
    assert plain(parse_yaml(json.dumps(found), "f")) == found


@unhurried
@given(MAPS, st.sampled_from(sorted(KINDS)))
def test_any_tree_is_judged_by_any_kind(tree: dict[str, object], kind: str) -> None:
    try:
        root = parse_yaml(json.dumps(tree), "f")
    except Refused:
        return
    report = Report(Path("/nonexistent"))
    KINDS[kind](root, "", report)
    assert all(problem.message for problem in report.problems)


@unhurried
@given(MAPS, st.lists(st.text(alphabet="abl.[]019=\"' ${}", max_size=20), max_size=4))
def test_any_override_is_put_in_or_refused(tree: dict[str, object], given_overrides: list[str]) -> None:
    with suppress(Refused):
        overrides.apply(parse_yaml(json.dumps(tree), "f"), given_overrides)


@unhurried
@given(st.one_of(st.text(max_size=60), st.text(alphabet="${}[]. inputs", max_size=60)))
def test_any_text_is_searched_for_expressions_or_refused(text: str) -> None:
    try:
        found = expressions.references(text)
        assert all(text[one.start : one.end].startswith("${{") for one in found)
        expressions.render(text, {"a": 1}, {})
    except Refused:
        pass


@unhurried
@given(st.one_of(st.text(max_size=60), st.text(alphabet="azureml:/@registspv$", max_size=60)))
def test_any_text_is_taken_apart_as_a_reference_or_refused(text: str) -> None:
    with suppress(Refused):
        assert parse_reference(text).text == text
