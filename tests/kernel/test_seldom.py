"""Lines that somebody can cause at will are few, and say how many they stand for."""

from __future__ import annotations

from itertools import count

import pytest

from treering.kernel import seldom
from treering.kernel.seldom import Seldom


def test_what_happens_again_and_again_is_told_once_a_pause_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = count()
    monkeypatch.setattr(seldom, "monotonic_seconds", lambda: float(next(seconds)))
    lines = Seldom(pause_seconds=10)
    assert [lines.times("one") for _ in range(21)] == [1, *[0] * 9, 10, *[0] * 9, 10]
    assert lines.times("another") == 1


def test_however_many_things_there_are_it_remembers_few() -> None:
    lines = Seldom(keys_max=3)
    assert [lines.times(str(number)) for number in range(100)] == [1] * 100 and len(lines.told) == 3
