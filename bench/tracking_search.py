"""The search for runs on a view of many: `python -m bench.tracking_search [runs]` (1,000,000 by default).

The view is filled through ``TrackingView.project`` and ``project_points`` with synthetic entries, as a replay would;
then each search is asked again and again, as a client would who looks at one page of 100. The bar is on the search
with a metric, a parameter and a tag, in either order; the others are shown beside it.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from bench.report import Line, report
from treering.adapters.sqlite_view import Database, SqliteView
from treering.domain.experiment_messages import ExperimentCreated
from treering.domain.run_messages import RunCreated, RunParamsLogged
from treering.kernel.log import Commit, Entry, encoder
from treering.kernel.points import Points, RunPoints, Series
from treering.views.tracking import TrackingView, points_entries
from treering.views.tracking.run_filters import RUNS, parse_filter, parse_orders
from treering.views.tracking.run_reads import runs_of
from treering.views.tracking.run_search import RunSearch, search

AT = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 2000
PAGE = 100
BAR_MS = 50.0
FILTER = "metrics.acc > 0.5 and params.lr = '0.1' and tags.team = 'team-1'"
SEARCHES: tuple[tuple[str, str, list[str]], ...] = (
    ("metric, param and tag, by metric", FILTER, ["metrics.acc DESC"]),
    ("the same, newest first", FILTER, []),
    ("plain, newest first", "", []),
    ("ILIKE, by param", "params.model ILIKE 'RES%'", ["params.lr ASC"]),
    ("one value of a million", "params.seed = '4711'", ["metrics.acc DESC"]),
    ("metric, by end", "metrics.acc > 0.999", ["end_time DESC"]),
    ("by param of three values", "", ["params.lr ASC"]),
    ("by tag of ten values, then metric", "metrics.acc > 0.5", ["tags.team DESC", "metrics.acc DESC"]),
)


def commit(position: int, subject: str, *events: Any) -> Entry:
    raw = msgspec.Raw(encoder.encode(list(events)))
    return Entry(position, subject, encoder.encode(Commit(str(position), str(position), 1, AT, "u_1", events=raw)))


def entries(runs: int) -> Iterator[tuple[list[Entry], Entry]]:
    """Batches of commits with the points that belong to them. As in facts/mlflow.md: 3 metrics, 3 params, 2 tags."""
    chance = random.Random(1)
    yield [commit(1, "evt.main.experiment.bench", ExperimentCreated())], points(1, [])
    for start in range(2, runs + 2, BATCH):
        commits, logged = [], []
        for number in range(start, min(start + BATCH, runs + 2)):
            tags = {"team": f"team-{number % 10}", "mlflow.user": "anna"}
            created = RunCreated("bench", f"run-{number}", "anna", 1_700_000_000_000 + number, tags)
            params = {"lr": chance.choice(["0.1", "0.01", "0.001"]), "model": chance.choice(["resnet", "vit"])}
            commits.append(
                commit(number, f"evt.main.run.r{number}", created, RunParamsLogged({**params, "seed": str(number)}))
            )
            series = [Series(key, [chance.random()], [number], [1]) for key in ("acc", "loss", "f1")]
            logged.append(RunPoints(f"r{number}", number, 1, 1_700_000_000_000 + number, "u_1", series))
        yield commits, points(start, logged)


def points(position: int, runs: list[RunPoints]) -> Entry:
    return Entry(position, "met.main.points", encoder.encode(Points(str(position), AT, runs)))


def filled(path: Path, runs: int) -> tuple[SqliteView, Database, float]:
    view = TrackingView()
    store = SqliteView(view, path)
    store.connect()
    db = store.opened()
    began = perf_counter()
    for commits, logged in entries(runs):
        db.execute("BEGIN")
        view.project(db, commits)
        view.project_points(db, points_entries([logged]))
        db.execute("COMMIT")
    return store, db, perf_counter() - began


def asked(db: Database, text: str, orders: list[str]) -> float:
    """Milliseconds from the filter to the rows of a page, as the API shows them."""
    began = perf_counter()
    query = RunSearch("main", [1], [0], parse_filter(text, RUNS), parse_orders(orders, RUNS), 0, PAGE + 1)
    found = runs_of(db, search(db, query)[:PAGE])[0]
    encoder.encode(found)
    return (perf_counter() - began) * 1000


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tracking.db"
        _, db, seconds = filled(path, runs)
        lines = [
            Line("projected", f"{runs / seconds:,.0f} runs/s"),
            Line("file", f"{path.stat().st_size / 1e6:,.0f} MB"),
        ]
        for what, text, orders in SEARCHES:
            times = sorted(asked(db, text, orders) for _ in range(21))
            p50, worst = times[len(times) // 2], times[-1]
            figure = f"{p50:.1f} ms, {worst:.0f} max"
            lines.append(Line(what, figure, p50 / BAR_MS, "<=", 1.0) if text == FILTER else Line(what, figure))
        db.close()
    report(f"Search over {runs:,} runs, a page of {PAGE}: p50 against {BAR_MS:g} ms", *lines)


if __name__ == "__main__":
    main()
