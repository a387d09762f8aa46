"""The grammar of filters: every text leads to clauses or to a refusal, at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.kernel.refusal import Refused
from treering.views.tracking.filter_text import (
    CHARACTERS_MAX,
    CLAUSES_MAX,
    PATTERNS_CHARACTERS_MAX,
    Value,
    parse_filter,
)


def one(text: str) -> tuple[str, str, str, Value]:
    [clause] = parse_filter(text)
    return clause.entity, clause.key, clause.comparator, clause.value


def test_identifiers_comparators_and_values() -> None:
    assert one("name = 'm'") == ("", "name", "=", Value("string", "m"))
    assert one('tags.`a b`!="x"') == ("tags", "a b", "!=", Value("string", "x"))
    assert one("tags.mlflow.user ilike '%A_'") == ("tags", "mlflow.user", "ILIKE", Value("string", "%A_"))
    assert one('metrics."m/1" >= -1.5e3') == ("metrics", "m/1", ">=", Value("number", "-1.5e3"))
    assert one("params.p IS  NULL") == ("params", "p", "IS NULL", Value("none"))
    assert one("params.p is not null") == ("params", "p", "IS NOT NULL", Value("none"))
    assert one("run_id NOT in ('a', 'b',)") == ("", "run_id", "NOT IN", Value("list", "('a', 'b',)", ("a", "b")))
    assert one("name = m") == ("", "name", "=", Value("word", "m"))


def test_clauses_are_joined_by_and_in_any_case_and_one_may_trail() -> None:
    assert [clause.key for clause in parse_filter("a=1 and b = '2' AND  c<3 And ")] == ["a", "b", "c"]
    assert parse_filter("") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  ", "Could not be parsed"),
        ("\n\t ", "Could not be parsed"),
        ("run_id IN (", "Invalid clause(s) in filter string"),
        ("run_id IN", "Invalid clause(s) in filter string"),
        ("name LIKE", "Invalid clause(s) in filter string"),
        ("evilhax = true", "Invalid clause(s) in filter string"),
        ("a = 1 OR b = 2", "Invalid clause(s) in filter string"),
        ("Foo", "Invalid clause(s) in filter string"),
        ("name = 'a", "Invalid clause(s) in filter string"),
        ("a = 1; b = 2", "multiple expression"),
        ("run_id IN (1,2,3)", "but got different type in list"),
        ("run_id IN ()", "but got empty list"),
        ("run_id IN (,)", "but got ill-formed list"),
        ("run_id IN ('a',,'b')", "but got ill-formed list"),
        ("run_id IN ('a' 'b')", "but got ill-formed list"),
        ("a = 1 AND " * (CLAUSES_MAX + 1), f"at most {CLAUSES_MAX} clauses"),
        ("a" * (CHARACTERS_MAX + 1), "characters"),
        (f"a LIKE '{'%' * PATTERNS_CHARACTERS_MAX}' AND a ILIKE 'x'", "patterns of a filter have at most"),
        ("((((((((((name = 'a'))))))))))", "Invalid clause(s) in filter string"),
    ],
)
def test_what_is_no_filter_is_refused_in_the_words_clients_know(text: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_filter(text)
    assert refused.value.code == "filter.invalid" and said in refused.value.detail


PIECES = [
    "name",
    "tags.`a b`",
    "=",
    "!=",
    "LIKE",
    "in",
    "not",
    "is",
    "null",
    "('a',",
    ")",
    "'x'",
    '"',
    "1e9",
    "and",
    ";",
]


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)))
def test_any_text_is_clauses_or_a_refusal(text: str) -> None:
    try:
        clauses = parse_filter(text)
    except Refused as refused:
        assert refused.code == "filter.invalid"
    else:
        assert all(clause.key and clause.comparator for clause in clauses)
