"""One page of a metric's history without reading the others.

Chunks hold the points as they were logged, and all but the last are full. So the page of a history that is stored in
order is a few chunks; whether it is has to be looked at once, and again when there are more points.
"""

from __future__ import annotations

from collections import OrderedDict

from treering.adapters.sqlite_view import Database
from treering.views.tracking.metrics import CHUNK_POINTS_MAX, Columns, in_order, once, stored

KNOWN_MAX = 1000


class HistoryPages:
    """Remembers the extent (last chunk, its points) up to which histories were seen to be in order."""

    def __init__(self) -> None:
        self.known: OrderedDict[tuple[int, str], tuple[int, int]] = OrderedDict()

    def page(self, db: Database, number: int, key: str, start: int, end: int) -> tuple[Columns, int]:
        """The points ``start`` to ``end`` of a history, and how many it has."""
        found = db.execute(
            "SELECT chunk, points FROM metric_chunks WHERE run = ? AND key = ? ORDER BY chunk DESC LIMIT 1",
            (number, key),
        ).fetchone()
        extent = (found[0], found[1]) if found else (0, 0)
        if self.known.get((number, key)) == extent:
            first = start // CHUNK_POINTS_MAX
            columns = stored(db, number, key, first, (end - 1) // CHUNK_POINTS_MAX)
            skipped = first * CHUNK_POINTS_MAX
            return columns.part(start - skipped, end - skipped), extent[0] * CHUNK_POINTS_MAX + extent[1]
        columns = stored(db, number, key, 0, extent[0])
        if in_order(columns.timestamps, columns.steps):
            self.remember((number, key), extent)
        else:
            columns = once(columns)
        return columns.part(start, end), len(columns.values)

    def remember(self, history: tuple[int, str], extent: tuple[int, int]) -> None:
        self.known[history] = extent
        if len(self.known) > KNOWN_MAX:
            self.known.popitem(last=False)
