"""The filter grammar: what is meant is understood, and anything else is refused, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.kernel.refusal import Refused
from treering.views.tracking.filter_text import CHARACTERS_MAX
from treering.views.tracking.run_filters import RUNS, Clause, Order, parse_filter, parse_order, parse_orders


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("metrics.m > 0.5", Clause("metric", "m", ">", 0.5)),
        ("metric.`a b/c.d` != -1e3", Clause("metric", "a b/c.d", "!=", -1000.0)),
        ("params.p = '1'", Clause("parameter", "p", "=", "1")),
        ('params."p q" = "it\'s"', Clause("parameter", "p q", "=", "it's")),
        ("tags.a.b like '%x'", Clause("tag", "a.b", "LIKE", "%x")),
        ("tags.`a` ILIKE 'it''s'", Clause("tag", "a", "ILIKE", "it''s")),
        ('tags.`a` = "it\'s"', Clause("tag", "a", "=", "it's")),
        ('tags.\'a b\' = "say ""hi"""', Clause("tag", "a b", "=", 'say ""hi""')),
        ("`tags`.`a` = 'it\\'s'", Clause("tag", "a", "=", "it\\'s")),
        ("tags.a = 'C:\\'", Clause("tag", "a", "=", "C:\\")),
        ("tags.a\t=\t'x\ty'", Clause("tag", "a", "=", "x\ty")),
        ("metrics.m > 1e-3", Clause("metric", "m", ">", 0.001)),
        ("tags.t is not null", Clause("tag", "t", "IS NOT NULL", None)),
        ("params.p IS NULL", Clause("parameter", "p", "IS NULL", None)),
        ("run_id IN ('a', \"b\")", Clause("attribute", "run_id", "IN", ("a", "b"))),
        ("attributes.run_id NOT IN ('a')", Clause("attribute", "run_id", "NOT IN", ("a",))),
        ("attr.`Run Name` = 'x'", Clause("attribute", "run_name", "=", "x")),
        ("Created >= 7", Clause("attribute", "start_time", ">=", 7.0)),
        ("datasets.name IN ('d')", Clause("dataset", "name", "IN", ("d",))),
        ("metrics.m>.5", Clause("metric", "m", ">", 0.5)),
    ],
)
def test_one_comparison(text: str, clause: Clause) -> None:
    assert parse_filter(text, RUNS) == [clause]


def test_comparisons_are_joined_by_and() -> None:
    assert len(parse_filter("metrics.m > 0 and params.p = 'a and b' AND tags.t != '1' and", RUNS)) == 3
    assert parse_filter("", RUNS) == []


@pytest.mark.parametrize(
    "text",
    [
        "params.p = '1' OR params.p = '2'", "params.p = 1", "params.p > '1'", "tags.t IN ('2')", "metrics.m > '0'",
        "metrics.m IS NULL", "foo.bar = 'x'", "attributes.foo = 'x'", "status IN ('RUNNING')", "start_time > '0'",
        "params.p = 'x", "params.p", "params.p =", "= 'x'", "params. = 'x'", ".p = 'x'", "params.p = x",
        "(params.p = 'x')",
        "params.p = 'x' params.q = 'y'", "run_id IN ()", "run_id IN ('a'", "run_id = ('a')",
        "metrics.m > 1; DROP TABLE runs", "metrics.m > nan", "metrics.m > 1e", "params.p = `x`", "params.p LIKE 3",
        "params.p = 'x' --", "metrics.m > 1 1", "not params.p = 'x'", "run_id not in 'a'", "\x00",
        "params.p = '" + "x" * CHARACTERS_MAX + "'",
        "params.p LIKE '" + "%" * 1001 + "'", " and ".join(["params.p = 'x'"] * 201),
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_filter(text, RUNS)
    assert refused.value.code == "filter.invalid" and refused.value.detail


def test_orders() -> None:
    assert parse_order("metrics.`a b` DESC", RUNS) == Order("metric", "a b", False)
    assert parse_order("start_time", RUNS) == Order("attribute", "start_time", True)
    assert parse_order("params.p asc", RUNS) == Order("parameter", "p", True)
    for text in ("metrics.m FOO", "foo", "", "metrics.m ASC DESC", "start_time, run_id", "datasets.name", "1"):
        with pytest.raises(Refused):
            parse_order(text, RUNS)
    with pytest.raises(Refused, match="duplicate"):
        parse_orders(["metrics.m ASC", "metrics.m DESC"], RUNS)


PIECES = st.sampled_from(
    ["metrics", "params", "tags", "run_id", "datasets", ".", "`", "'", '"', "a b", "=", "!=", ">", "<=", "LIKE", "IN",
     "NOT", "IS", "NULL", "AND", "OR", "(", ")", ",", "1", "-2.5e3", "'x'", '"y"', " ", ";", "--", "\n", "é", "\x00"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map(" ".join), st.lists(PIECES).map("".join)))
def test_no_text_leads_anywhere_but_to_clauses_or_a_refusal(text: str) -> None:
    for parse in (parse_filter, parse_order):
        try:
            found = parse(text, RUNS)
        except Refused:
            continue
        assert isinstance(found, list | Order)


@given(st.text(min_size=1).filter(lambda key: "`" not in key), st.text())
def test_any_key_and_any_value_with_one_kind_of_quotes_can_be_written(key: str, value: str) -> None:
    quote = "'" if "'" not in value else '"'
    plain = value.replace('"', "").rstrip("\\")
    assert parse_filter(f"tags.`{key}` = {quote}{plain}{quote}", RUNS) == [Clause("tag", key, "=", plain)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "team = 'x'",
            "Invalid attribute key 'team' specified. Valid keys are '{'Created', 'Run Name',"
            " 'Run name', 'artifact_uri', 'created', 'end_time', 'run name', 'run_id', 'run_name', 'start_time',"
            " 'status', 'user_id'}'",
        ),
        ("dataset.x = 'x'", "Invalid dataset key 'x' specified. Valid keys are '{'context', 'digest', 'name'}'"),
        ("metrics.m == 1", "Invalid comparator '==' not one of '{'!=', '<', '<=', '=', '>', '>='}'"),
        ("metrics.m <> 1", "Invalid comparator '<>' not one of"),
        ("params.p NOT LIKE 'x'", "Invalid comparator 'NOT LIKE' not one of '{'!=', '=', 'ILIKE', 'IS NOT NULL',"),
    ],
)
def test_a_refusal_says_what_may_stand_there_as_mlflow_writes_it(text: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_filter(text, RUNS)
    assert said in refused.value.detail


@pytest.mark.parametrize("quotes", ["\\'" * 200_000, "''" * 200_001, "\\" * 400_000])
def test_quotes_without_an_end_are_refused_at_once(quotes: str) -> None:
    with pytest.raises(Refused):
        parse_filter(f"tags.a = '{quotes} AND x", RUNS)
