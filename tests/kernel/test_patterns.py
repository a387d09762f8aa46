"""Patterns of event types."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.kernel.patterns import begin_of, matches

texts = st.text("ab.*", max_size=8)


@given(texts, st.text("ab.", max_size=12))
def test_a_star_stands_for_any_characters_wherever_it_is(pattern: str, text: str) -> None:
    meant = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert matches(pattern, text) == bool(re.fullmatch(meant, text))
    assert not matches(pattern, text) or text.startswith(begin_of(pattern))


@pytest.mark.parametrize(
    ("pattern", "text", "wanted"),
    [
        ("*.failed", "job.failed", True), ("*.failed", "failed", False), ("job.*", "job.", True), ("*", "x", True),
        ("job.*ed", "job.failed", True), ("a*a", "a", False), ("job.failed", "job.failed", True), ("[a]", "a", False),
    ],
)  # fmt: skip
def test_a_pattern_matches_all_of_a_type(pattern: str, text: str, wanted: bool) -> None:
    assert matches(pattern, text) is wanted
