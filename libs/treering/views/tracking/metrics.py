"""Metric points: packed in chunks for the histories, and the latest value of each metric for the searches.

A chunk holds three columns of 8-byte numbers. Points are kept as they were logged, the same one twice too; reading
a history drops what is said twice. The latest point is the greatest by (step, timestamp, value), as in MLflow.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import le, lt
from typing import NamedTuple

from treering.adapters.sqlite_view import Database
from treering.kernel.bounds import INT64_MAX
from treering.kernel.points import PointsEntry, RunPoints, Series
from treering.views.tracking.parts import Change

CHUNK_POINTS_MAX = 256
UPSERT = """
INSERT INTO latest_metrics VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, key) DO UPDATE
SET value = excluded.value, step = excluded.step, timestamp = excluded.timestamp
WHERE (excluded.step, excluded.timestamp, ifnull(excluded.value, 0)) > (step, timestamp, ifnull(value, 0))
"""

COUNT = "INSERT INTO metric_names VALUES (?, ?) ON CONFLICT (run) DO UPDATE SET names = names + excluded.names"


class Point(NamedTuple):
    """In the order of a history. ``nan``: the value is not a number, and ``value`` is then 0."""

    timestamp: int
    step: int
    value: float
    nan: bool


class Columns(NamedTuple):
    values: array[float]
    timestamps: array[int]
    steps: array[int]

    def read(self, blobs: Sequence[bytes]) -> None:
        self.values.frombytes(blobs[0])
        self.timestamps.frombytes(blobs[1])
        self.steps.frombytes(blobs[2])

    def extend(self, values: Sequence[float | None], timestamps: Sequence[int], steps: Sequence[int]) -> None:
        self.values.extend(math.nan if value is None else value for value in values)
        self.timestamps.extend(timestamps)
        self.steps.extend(steps)

    def part(self, start: int, end: int) -> Columns:
        return Columns(self.values[start:end], self.timestamps[start:end], self.steps[start:end])

    def chosen(self, places: Sequence[int]) -> Columns:
        """The points at these places."""
        return Columns(
            array("d", [self.values[place] for place in places]),
            array("q", [self.timestamps[place] for place in places]),
            array("q", [self.steps[place] for place in places]),
        )


class MetricsPart:
    version = "2"
    kinds: frozenset[str] = frozenset()
    schema = """
    CREATE TABLE IF NOT EXISTS metric_chunks (
      run INTEGER NOT NULL, key TEXT NOT NULL, chunk INTEGER NOT NULL, points INTEGER NOT NULL,
      vals BLOB NOT NULL, timestamps BLOB NOT NULL, steps BLOB NOT NULL, PRIMARY KEY (run, key, chunk)
    );
    CREATE TABLE IF NOT EXISTS latest_metrics (
      run INTEGER NOT NULL, key TEXT NOT NULL, value REAL, step INTEGER NOT NULL, timestamp INTEGER NOT NULL,
      experiment INTEGER NOT NULL, start_time INTEGER NOT NULL, PRIMARY KEY (run, key)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS latest_metrics_value ON latest_metrics (experiment, key, value DESC, start_time DESC);
    CREATE TABLE IF NOT EXISTS metric_names (run INTEGER PRIMARY KEY, names INTEGER NOT NULL);
    """

    def change(self, db: Database, change: Change) -> None:
        """What a message of points says of its run is all that is needed."""

    def points(self, db: Database, entries: Sequence[PointsEntry]) -> None:
        gathered: dict[tuple[int, str], Columns] = {}
        latest: list[tuple[object, ...]] = []
        for entry in entries:
            for run in entry.points.runs:
                for series in run.series:
                    columns = gathered.get((run.number, series.key))
                    if columns is None:
                        columns = gathered[run.number, series.key] = empty()
                    columns.extend(series.values, series.timestamps, series.steps)
                    latest.append(latest_row(run, series))
        first = Counter(number for (number, key), columns in gathered.items() if append(db, number, key, columns))
        db.executemany(UPSERT, latest)
        db.executemany(COUNT, first.items())


def empty() -> Columns:
    return Columns(array("d"), array("q"), array("q"))


def latest_row(run: RunPoints, series: Series) -> tuple[object, ...]:
    if not len(series.values) == len(series.timestamps) == len(series.steps):
        raise ValueError(f"the columns of metric {series.key[:100]!r} have different lengths")
    if len(series.values) == 1:
        step, timestamp, value = series.steps[0], series.timestamps[0], series.values[0]
    else:
        triples = zip(series.steps, series.timestamps, series.values, strict=True)
        step, timestamp, value = max(triples, key=lambda one: (one[0], one[1], one[2] or 0.0))
    return run.number, series.key, value, step, timestamp, run.experiment, run.start_time


def append(db: Database, number: int, key: str, columns: Columns) -> bool:
    """Fill the last chunk, then begin new ones; where they end depends on the points only, not on the batches. Says
    whether these are the first points of the metric."""
    last = db.execute(
        "SELECT chunk, points, vals, timestamps, steps FROM metric_chunks WHERE run = ? AND key = ?"
        " ORDER BY chunk DESC LIMIT 1",
        (number, key),
    ).fetchone()
    chunk = 0
    if last is not None and last[1] == CHUNK_POINTS_MAX:
        chunk = last[0] + 1
    elif last is not None:
        chunk, before = last[0], empty()
        before.read(last[2:5])
        before.extend(columns.values, columns.timestamps, columns.steps)
        columns = before
    rows = []
    for start in range(0, len(columns.values), CHUNK_POINTS_MAX):
        part = columns.part(start, start + CHUNK_POINTS_MAX)
        rows.append((number, key, chunk, len(part.values), *(column.tobytes() for column in part)))
        chunk += 1
    db.executemany("INSERT OR REPLACE INTO metric_chunks VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return last is None


def new_names(db: Database, number: int, keys: Iterable[str]) -> int:
    """How many of these metrics the run does not have."""
    known = "SELECT 1 FROM latest_metrics WHERE run = ? AND key = ?"
    return sum(db.execute(known, (number, key)).fetchone() is None for key in keys)


def history(db: Database, number: int, key: str) -> Columns:
    """Every point of a metric once, by time, step and value."""
    columns = stored(db, number, key, 0, INT64_MAX)
    # Points come in order nearly always, and then comparing neighbours is a tenth of the work of sorting them.
    return columns if in_order(columns.timestamps, columns.steps) else once(columns)


def stored(db: Database, number: int, key: str, first: int, last: int) -> Columns:
    """The points of the chunks ``first`` to ``last``, as they were logged."""
    found = db.execute(
        "SELECT vals, timestamps, steps FROM metric_chunks WHERE run = ? AND key = ? AND chunk BETWEEN ? AND ?"
        " ORDER BY chunk",
        (number, key, first, last),
    )
    columns = empty()
    for row in found:
        columns.read(row)
    return columns


def once(columns: Columns) -> Columns:
    """In order, and what was said twice dropped."""
    return columns_of(sorted(set(points_of(columns))))


def by_step(columns: Columns) -> Columns:
    """The points of a history by step, then time, then value."""
    if all(map(le, columns.steps, islice(columns.steps, 1, None))):
        return columns
    points = sorted(points_of(columns), key=lambda point: (point.step, point.timestamp, point.value, point.nan))
    return columns_of(points)


def in_order(timestamps: array[int], steps: array[int]) -> bool:
    """Whether each point is later than the one before it, or of the same time and a later step."""
    if all(map(lt, timestamps, islice(timestamps, 1, None))):
        return True
    both = list(zip(timestamps, steps, strict=True))
    return all(map(lt, both, islice(both, 1, None)))


def points_of(columns: Columns) -> Iterator[Point]:
    for value, timestamp, step in zip(*columns, strict=True):
        nan = value != value
        yield Point(timestamp, step, 0.0 if nan else value, nan)


def columns_of(points: Sequence[Point]) -> Columns:
    return Columns(
        array("d", [math.nan if point.nan else point.value for point in points]),
        array("q", [point.timestamp for point in points]),
        array("q", [point.step for point in points]),
    )
