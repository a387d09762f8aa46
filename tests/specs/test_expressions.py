"""Expressions are found, and replaced verbatim."""

from __future__ import annotations

from contextlib import suppress
from time import thread_time

import pytest

from treering.kernel.refusal import Refused
from treering.specs.expressions import binding, fill, references, render


def test_references_are_found_in_order_with_their_places() -> None:
    text = "run ${{inputs.lr}} > ${{ outputs.model }}/x"
    found = references(text)
    assert [(one.group, one.name) for one in found] == [("inputs", "lr"), ("outputs", "model")]
    assert text[found[1].start : found[1].end] == "${{ outputs.model }}"


def test_a_reference_inside_brackets_is_optional() -> None:
    found = references("a ${{inputs.x}} $[[--y ${{inputs.y}}]]")
    assert [one.optional for one in found] == [False, True]


@pytest.mark.parametrize("text", ["${{inputs.x}", "${{ }}", "${{inputs.}}", "${{a b}}", "$[[ --x", "$[[ $[[ x ]]"])
def test_malformed_expressions_are_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        references(text)
    assert refused.value.code == "expression.malformed"


@pytest.mark.parametrize("text", ["$[[" * 33_000, "${{ " + " " * 99_000, "${{" * 33_000, "$[[ " + "]" * 99_000])
def test_hostile_text_is_searched_in_linear_time(text: str) -> None:
    started = thread_time()
    with suppress(Refused):
        references(text)
    assert thread_time() - started < 2  # quadratic patterns took half a minute


@pytest.mark.parametrize(
    "text", ["echo ${HOME} $PATH ${x[0]}", "if [[ -f x ]]; then :; fi", "jq '.a | {b}'", "$((1+2))"]
)
def test_what_shells_write_is_no_expression(text: str) -> None:
    assert references(text) == []
    assert render(text, {}, {}) == text


def test_values_replace_expressions_verbatim() -> None:
    command = "python a.py --lr ${{inputs.lr}} --text ${{inputs.text}} --flag ${{inputs.flag}} > ${{outputs.o}}/f"
    inputs: dict[str, float | str | bool | None] = {"lr": 0.1, "text": "two words; $x", "flag": True}
    assert render(command, inputs, {"o": "/out"}) == "python a.py --lr 0.1 --text two words; $x --flag True > /out/f"


def test_a_value_that_looks_like_an_expression_is_not_read_again() -> None:
    assert render("echo ${{inputs.a}}", {"a": "${{inputs.b}}", "b": "secret"}, {}) == "echo ${{inputs.b}}"


def test_a_bracket_is_left_out_when_its_input_has_no_value() -> None:
    command = "run $[[--a ${{inputs.a}} ]]$[[--b ${{inputs.b}}]]"
    assert render(command, {"a": None, "b": 2}, {}) == "run --b 2"


def test_a_bracket_without_expressions_keeps_its_text() -> None:
    assert render("run $[[inputs.model]]", {}, {}) == "run inputs.model"


@pytest.mark.parametrize("given", [{}, {"a": None}])
def test_a_name_without_a_value_is_refused_outside_brackets(given: dict[str, None]) -> None:
    with pytest.raises(Refused) as refused:
        render("echo ${{inputs.a}}", given, {})
    assert refused.value.code == "expression.dangling"


def test_the_search_space_of_a_sweep_is_filled_in() -> None:
    assert render("x ${{search_space.C}}", {}, {}, {"C": 0.5}) == "x 0.5"


def test_a_binding_is_an_expression_and_nothing_else() -> None:
    found = binding("${{parent.jobs.train.outputs.model}}")
    assert found is not None
    assert found.parts == ("parent", "jobs", "train", "outputs", "model")
    assert binding("a${{parent.inputs.x}}") is None


def test_server_words_are_filled_into_output_paths() -> None:
    words = {"name": "j1", "output_name": "model", "default_datastore": "store"}
    path = "azureml://datastores/${{default_datastore}}/paths/${{name}}/${{output_name}}"
    assert fill(path, words) == "azureml://datastores/store/paths/j1/model"
    with pytest.raises(Refused, match="means nothing here"):
        fill("${{nam}}", words)
