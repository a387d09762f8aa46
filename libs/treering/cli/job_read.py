"""``job show`` and ``job list``."""

from __future__ import annotations

from typing import Any

import click

from treering.cli.lazy import Verb
from treering.cli.names import named
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import TERMINAL, Shape, duration_seconds, shape
from treering.cli.times import age_seconds

COLUMNS = {
    "Name": "name",
    "Status": "status",
    "Display name": "display_name",
    "Experiment": "experiment_name",
    "Compute": "compute",
    "Created": "creation_context.created_at",
    "Ran": "run_seconds",
}


@click.command("show", cls=Verb)
@named
@click.option("--at", metavar="POSITION|TIME", help="As it was then.")
@click.option("--web", is_flag=True, hidden=True)
@click.pass_obj
def show(session: Session, name: str, at: str | None, web: bool) -> None:
    """Show a job, now or as it was."""
    with session.client() as client:
        found = client.get(session.path("job", name), at=at)
        models = [] if at else client.get(session.path("job", name, "models"))["items"]
    shown = shape(found, names_of(session.home))
    session.show({**shown, "models": [one["name"] for one in models]} if models else shown)


@click.command("list", cls=Verb)
@click.option("--status", help="Only those in this status.")
@click.option("--experiment", "--experiment-name", "--parent-job-name", "parent", help="Only those of it.")
@click.option("--prefix", help="Only names that begin so.")
@click.option("--max-results", "-r", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--include-archived", "archived", flag_value="any")
@click.option("--archived-only", "archived", flag_value="true")
@click.option("--at", metavar="POSITION|TIME", help="As the list was then.")
@click.pass_obj
def list_jobs(session: Session, /, max_results: int, **filters: Any) -> None:
    """List jobs, the newest first."""
    people = names_of(session.home)
    with session.client() as client:
        found = list(session.listed(client, session.path("job"), max_results, **filters))
    session.table([{**shape(one, people), "run_seconds": run_seconds(one)} for one in found], COLUMNS)


def run_seconds(resource: Shape) -> float | None:
    """How long it ran, or has been running."""
    since = next((since for status, since in resource["timeline"] if status == "Running"), "")
    if since and resource["status"] not in TERMINAL:
        return age_seconds(since)
    return duration_seconds(resource)
