"""Finds many strings in one pass over a text, however many there are (Aho-Corasick)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

# Loaded at the start: a process that has no descriptor left loads nothing, and must still say so in its log.
from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind


class Automaton(Protocol):
    def find_matches_as_indexes(self, haystack: bytes, overlapping: bool) -> list[tuple[int, int, int]]: ...


# To make the automaton takes as long as to look for the strings one by one in so many short texts.
SHORT_TEXTS = 8
SHORT_BYTES = 4096


class ManyStrings:
    """``find`` tells where some of ``strings`` stands, also within another."""

    def __init__(self, strings: Sequence[bytes]) -> None:
        self.strings = strings
        self.left = SHORT_TEXTS  # before the automaton is worth it: most jobs say little
        self.automaton: Automaton | None = None

    def find(self, text: bytes) -> list[tuple[int, int]]:
        """Where they begin and end, in order."""
        self.left -= 1
        if self.automaton is None and self.strings and (self.left < 0 or len(text) > SHORT_BYTES):
            self.automaton = automaton_of(self.strings)
        if self.automaton is not None:
            return sorted((start, end) for _, start, end in self.automaton.find_matches_as_indexes(text, True))
        return sorted(place for string in self.strings for place in places(string, text))


def automaton_of(strings: Sequence[bytes]) -> Automaton:
    # Not the DFA: it outgrows the processor's cache, and is slow where many strings almost stand in the text.
    return BytesAhoCorasick(strings, MatchKind.Standard, Implementation.ContiguousNFA)


def places(string: bytes, text: bytes) -> Iterator[tuple[int, int]]:
    start = text.find(string)
    while start >= 0:
        yield start, start + len(string)
        start = text.find(string, start + 1)
