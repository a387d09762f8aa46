"""``run metrics``: every point that was logged, as a table or as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from treering.cli.lazy import Verb
from treering.cli.names import named
from treering.cli.run_shapes import API, iso, number, one_run
from treering.cli.session import Session
from treering.cli.shapes import Shape
from treering.cli.terminal import put

if TYPE_CHECKING:
    from treering.client.http import Client

PAGE_MAX = 25_000  # MLflow's own limit
COLUMNS = {"Metric": "key", "Step": "step", "Value": "value", "Time": "at"}


@click.command("metrics", cls=Verb)
@named
@click.option("--key", "-k", "keys", multiple=True, metavar="METRIC", help="Only these; default is all.")
@click.option("--last", is_flag=True, help="Only the last point of each.")
@click.option("--lines", is_flag=True, help="JSON lines, written as they come: for long histories.")
@click.pass_obj
def metrics(session: Session, name: str, keys: tuple[str, ...], last: bool, lines: bool) -> None:
    """The points of a run's metrics, in the order of their steps."""
    with session.client() as client:
        latest = {one["key"]: one for one in one_run(client, name).get("data", {}).get("metrics", [])}
        wanted = keys or tuple(sorted(latest))
        if last:
            points = iter([point(latest[key]) for key in wanted if key in latest])
        else:
            points = (found for key in wanted for found in history(client, name, key))
        if not lines:
            session.table(list(points), COLUMNS)
            return
        for one in points:
            put(json.dumps(one))


def history(client: Client, run_id: str, key: str) -> Iterator[Shape]:
    """Page after page."""
    page = ""
    while True:
        asked = {"run_id": run_id, "metric_key": key, "max_results": PAGE_MAX, "page_token": page}
        answer = client.get(f"{API}/metrics/get-history", **asked)
        yield from map(point, answer.get("metrics", []))
        page = answer.get("next_page_token", "")
        if not page:
            return


def point(metric: Shape) -> Shape:
    return {
        "key": metric["key"],
        "step": int(metric.get("step", 0)),
        "value": number(metric.get("value", 0.0)),
        "at": iso(int(metric.get("timestamp", 0))),
    }
