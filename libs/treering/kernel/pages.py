"""A page of a list is bounded in bytes, not only in rows: a row may hold a few hundred bytes or many thousand tags.

A page ends early when what its rows hold would be more than ``PAGE_BYTES_MAX``, and the next one begins there. A row
that is larger by itself is a page of its own. Sizes are of what is read, counted while it is read, so what does not fit
is not gathered first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
K = TypeVar("K")
NEXT_HEADER = "treering-next"  # where an answer is no JSON object that could say what its next page is
PAGE_BYTES_MAX = 8 * 1024 * 1024
PART_BYTES = 48  # of a key and its value, beside their characters
ROW_BYTES = 400
NO_END = math.inf
SMALLER = 8  # how much less is read at once after too much was


class PageFull(Exception):
    """There is no room in the page for what is being read."""


class Room:
    """How much more a page may hold; ``NO_END`` for a row that is a page of its own."""

    __slots__ = ("bytes_left",)

    def __init__(self, bytes_left: float) -> None:
        self.bytes_left = bytes_left

    def take(self, bytes_: int) -> None:
        """Raises ``PageFull``."""
        self.bytes_left -= bytes_
        if self.bytes_left < 0:
            raise PageFull


def page_room() -> Room:
    return Room(PAGE_BYTES_MAX)


def page_of(keys: Sequence[K], load: Callable[[Sequence[K], Room], list[T]], *, at_once: int) -> tuple[list[T], int]:
    """The rows of the first of ``keys``, and how many keys that were. ``load`` takes from the room what it reads."""
    rows, taken, count = list[T](), 0, at_once
    left: float = PAGE_BYTES_MAX
    while taken < len(keys):
        some = keys[taken : taken + count]
        room = Room(left)
        try:
            rows += load(some, room)
        except PageFull:
            if len(some) > 1:
                count = max(1, len(some) // SMALLER)
                continue
            if taken == 0:
                return load(some, Room(NO_END)), 1
            break
        taken += len(some)
        left = room.bytes_left
    return rows, taken


def rows_that_fit(rows: Iterable[T], size: Callable[[T], int]) -> tuple[list[T], bool]:
    """The first of ``rows`` that a page may hold, and whether there are others. Those are not read."""
    found, room = list[T](), page_room()
    for row in rows:
        try:
            room.take(size(row))
        except PageFull:
            if found:
                return found, True
            room = Room(0)  # a page of its own
        found.append(row)
    return found, False
