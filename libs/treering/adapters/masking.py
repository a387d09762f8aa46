"""Masks secret values in what leaves a process: in whole texts, and in a stream of bytes that may cut a value.

All forms of all values are looked for at once, by the Aho-Corasick automaton of a library, in the text without its
line breaks: base64 is folded by many programs. docs/adr/0030-masking.md says what that costs.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from treering.adapters.many_strings import ManyStrings
from treering.kernel.secret_forms import BREAKS, PIECE_BYTES_MAX, UTF8, patterns_of

MASK = b"***"
LINE = re.compile(rb"[^\r\n]+")
BREAK = re.compile(rb"[\r\n]")
HEAD_BYTES = 4
# So much of a text is looked at for a value that only begins in it.
END_BYTES = 2 * PIECE_BYTES_MAX
# What ends in a line break is not held back for fewer characters than this: every other line ends like some form.
ACROSS_LINES_MIN = 6


class Span(NamedTuple):
    """Part of a text without its line breaks."""

    start: int
    end: int


class Found:
    """What is looked for: ``patterns``, made ready once."""

    def __init__(self, patterns: Iterable[bytes]) -> None:
        self.patterns = sorted(patterns)
        self.strings = ManyStrings(self.patterns)
        self.heads = ManyStrings(sorted({pattern[:HEAD_BYTES] for pattern in self.patterns}))

    def spans(self, flat: bytes, covered: int = 0) -> list[Span]:
        """Where secrets stand, those that overlap or touch as one. The first ``covered`` bytes are known to be."""
        found: list[Span] = [Span(0, covered)] if covered else []
        for start, end in self.strings.find(flat):
            if found and start <= found[-1].end:
                found[-1] = Span(found[-1].start, max(end, found[-1].end))
            else:
                found.append(Span(start, end))
        return found

    def begun(self, end: bytes) -> tuple[int, int]:
        """How many bytes at the end of a text may be the beginning of a secret, and how many of these to hold back."""
        flat = end.translate(None, BREAKS)[-PIECE_BYTES_MAX:]
        longest = 0
        starts = [start for start, _ in self.heads.find(flat)]
        for start in (*starts, *range(max(0, len(flat) - HEAD_BYTES + 1), len(flat))):
            if not self.begins(flat[start:]):
                continue
            left = len(flat) - start
            longest = longest or left
            if left >= ACROSS_LINES_MIN or not BREAK.search(end, raw_start(end, left)):
                return longest, left
        return longest, 0

    def begins(self, text: bytes) -> bytes:
        """A pattern that begins with ``text`` and is longer, if there is one."""
        place = bisect_left(self.patterns, text)
        if place < len(self.patterns) and self.patterns[place] == text:
            place += 1
        pattern = self.patterns[place] if place < len(self.patterns) else b""
        return pattern if pattern.startswith(text) else b""

    def cut(self, end: bytes) -> int:
        """How many bytes at the end of a text are the greater part of a secret whose rest never came."""
        longest, _ = self.begun(end)
        flat = end.translate(None, BREAKS)
        if longest < ACROSS_LINES_MIN or 2 * longest < len(self.begins(flat[len(flat) - longest :])):
            return 0
        return longest


def raw_start(raw: bytes, left: int) -> int:
    """Where the last ``left`` bytes of ``raw`` begin that are no line breaks."""
    place = len(raw)
    while left:
        place -= 1
        left -= raw[place] not in BREAKS
    return place


class Masker:
    """Knows the secret values of one place, a job or a process, and all that ``base`` knows. Made ready when it is
    first needed: most jobs say nothing."""

    def __init__(self, values: Iterable[str] = (), base: Masker | None = None) -> None:
        self.values = set(values)
        self.base = base
        self.new = set(self.values)
        self.patterns: set[bytes] = set()
        self.ready: Found | None = None

    def add(self, values: Iterable[str]) -> None:
        new = set(values) - self.values
        if new:
            self.values |= new
            self.new |= new
            self.ready = None

    @property
    def knows_something(self) -> bool:
        return bool(self.values) or (self.base is not None and self.base.knows_something)

    @property
    def found(self) -> Found:
        if self.ready is None:
            base = self.base.found.patterns if self.base else []
            self.patterns |= patterns_of(self.new)
            self.new = set()
            self.ready = Found({*base, *self.patterns})
        return self.ready

    def text(self, text: str) -> str:
        """A whole text, such as the reason of a failure; one that may have been cut where a value stood."""
        if not text or not self.knows_something:
            return text
        data = text.encode(*UTF8)
        masked = self.data(data)
        return text if masked == data else masked.decode("utf-8", "replace")

    def data(self, data: bytes) -> bytes:
        stream = MaskedStream(self)
        return stream.feed(data) + stream.flush()


class MaskedStream:
    """A stream that is masked as it comes. ``held`` are bytes of it that may be the beginning of a secret; the first
    ``shown`` of them were passed on already, the first ``covered`` of them (line breaks not counted) are secret."""

    def __init__(self, masker: Masker) -> None:
        self.masker = masker
        self.held = b""
        self.shown = self.covered = 0
        self.in_mask = False  # the last byte passed on was part of a mask

    def feed(self, data: bytes) -> bytes:
        """What may be passed on now."""
        if not self.masker.knows_something:
            return data
        found = self.masker.found
        raw = self.held + data
        flat = raw.translate(None, BREAKS)
        spans = found.spans(flat, self.covered)
        longest, left = found.begun(raw[-END_BYTES:])
        kept, stop = raw_start(raw, longest), raw_start(raw, left)
        passed = self.masked(raw, spans, stop)
        first = len(flat) - longest
        again = 1 if self.covered else 0  # a match that began before ``held`` is not found again
        self.covered = next((end - first for start, end in spans if start < first + again and end > first), 0)
        self.held, self.shown = raw[kept:], stop - kept
        return passed

    def flush(self) -> bytes:
        """The rest, at the end of the stream. The greater part of a secret is masked like the whole."""
        if not self.held:
            return b""
        found = self.masker.found
        flat = self.held.translate(None, BREAKS)
        spans = found.spans(flat, self.covered)
        if cut := found.cut(self.held[-END_BYTES:]):
            spans.append(Span(len(flat) - cut, len(flat)))
        passed = self.masked(self.held, spans, len(self.held))
        self.held, self.shown, self.covered = b"", 0, 0
        return passed

    def masked(self, raw: bytes, spans: list[Span], stop: int) -> bytes:
        """``raw`` from what was passed on before up to ``stop``, with masks."""
        place = self.shown
        if not spans:
            self.in_mask = self.in_mask and place == stop
            return raw[place:stop]
        passed = bytearray()
        for start, end in raw_spans(raw, spans):
            if end <= place or start >= stop:
                continue
            passed += raw[place:start] if start > place else b""
            self.in_mask = self.in_mask and start <= place
            place = max(place, start)
            end = min(end, stop)
            masks = LINE.sub(MASK, raw[place:end])
            passed += masks[len(MASK) :] if self.in_mask and masks.startswith(MASK) else masks
            self.in_mask, place = True, end
        if place < stop:
            passed += raw[place:stop]
            self.in_mask = False
        return bytes(passed)


def raw_spans(raw: bytes, spans: list[Span]) -> list[Span]:
    """The same parts of the text with its line breaks."""
    breaks = [match.start() for match in BREAK.finditer(raw)]
    if not breaks:
        return spans
    flat_places = [place - number for number, place in enumerate(breaks)]

    def raw_place(flat_place: int, number: int) -> tuple[int, int]:
        while number < len(breaks) and flat_places[number] <= flat_place:
            number += 1
        return flat_place + number, number

    found, number = [], 0
    for start, end in spans:
        raw_begin, number = raw_place(start, number)
        raw_last, number = raw_place(end - 1, number)
        found.append(Span(raw_begin, raw_last + 1))
    return found
