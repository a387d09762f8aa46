"""A page of a history is that part of the whole, however its points came and whatever was seen of it before."""

from __future__ import annotations

import random
import sqlite3

import pytest

from treering.views.tracking.history_pages import HistoryPages
from treering.views.tracking.metrics import CHUNK_POINTS_MAX, Columns, MetricsPart, Point, append, columns_of, history

RUN, KEY = 7, "loss"


def a_series(chance: random.Random, after: int, *, shuffled: bool) -> Columns:
    """Up to three chunks of points behind the time ``after``; some of them twice when they are ``shuffled``."""
    count = chance.randint(1, 3 * CHUNK_POINTS_MAX)
    points = [Point(after + n, n, chance.random(), False) for n in range(1, count + 1)]
    if shuffled:
        points += chance.choices(points, k=count // 10 + 1)
        chance.shuffle(points)
    return columns_of(points)


@pytest.mark.parametrize("seed", range(12))
def test_pages_are_the_parts_of_the_whole_history(seed: int) -> None:
    chance, pages, time = random.Random(seed), HistoryPages(), 0
    db = sqlite3.connect(":memory:")
    db.executescript(MetricsPart.schema)
    for _ in range(6):
        series = a_series(chance, time, shuffled=seed % 3 == 0 and chance.random() < 0.5)
        time = max(series.timestamps)
        append(db, RUN, KEY, series)
        append(db, RUN + 1, KEY, series)
        whole = history(db, RUN, KEY)
        for _ in range(5):
            start = chance.randint(0, len(whole.values) + 10)
            end = start + chance.randint(1, 2 * CHUNK_POINTS_MAX)
            page, count = pages.page(db, RUN, KEY, start, end)
            assert (page, count) == (whole.part(start, end), len(whole.values))


def test_a_run_without_the_metric_has_an_empty_history_asked_once_or_twice() -> None:
    db, pages = sqlite3.connect(":memory:"), HistoryPages()
    db.executescript(MetricsPart.schema)
    for _ in range(2):
        page, count = pages.page(db, RUN, KEY, 0, 100)
        assert (len(page.values), count) == (0, 0)
