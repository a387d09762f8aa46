"""Finds many strings in one pass over a text, however many there are (Aho-Corasick)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol


class Automaton(Protocol):
    def find_matches_as_indexes(self, haystack: bytes, overlapping: bool) -> list[tuple[int, int, int]]: ...


class ManyStrings:
    """``find`` tells where some of ``strings`` stands, also within another."""

    def __init__(self, strings: Sequence[bytes]) -> None:
        self.automaton: Automaton | None = None
        self.expression: re.Pattern[bytes] | None = None
        if not strings:
            return
        try:
            library = import_module("ahocorasick_rs")
        except ImportError:  # the same at a hundredth of the speed
            longest_first = sorted(strings, key=len, reverse=True)
            self.expression = re.compile(b"(?=(" + b"|".join(map(re.escape, longest_first)) + b"))")
            return
        # Not the DFA: it outgrows the processor's cache, and is slow where many strings almost stand in the text.
        how = (library.MatchKind.Standard, library.Implementation.ContiguousNFA)
        self.automaton = library.BytesAhoCorasick(strings, *how)

    def find(self, text: bytes) -> list[tuple[int, int]]:
        """Where they begin and end, in order."""
        if self.automaton is not None:
            return sorted((start, end) for _, start, end in self.automaton.find_matches_as_indexes(text, True))
        if self.expression is not None:
            return [match.span(1) for match in self.expression.finditer(text)]
        return []
