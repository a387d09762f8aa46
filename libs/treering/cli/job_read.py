"""``job show`` and ``job list``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from treering.cli.az_options import archived_options, no_pages, refused, yes_or_no
from treering.cli.job_wait import ask_why_waiting
from treering.cli.lazy import Verb
from treering.cli.moments import MOMENT
from treering.cli.names import named
from treering.cli.notes import first
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import JOB, TERMINAL, Shape, duration_seconds, shape

if TYPE_CHECKING:
    from treering.client.http import Client

WAITING = ("Queued", "Preparing")
UNDER_WAY = ("Preparing", "Running", "Finalizing", "CancelRequested")
JOBS_MAX = 100_000
FEWER = "--experiment, --tag and --status ask for fewer"
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
@click.option("--at", type=MOMENT, metavar="POSITION|TIME|AGO", help="As it was then.")
@no_pages
@click.pass_obj
def show(session: Session, name: str, at: str | None) -> None:
    """Show a job, now or as it was."""
    with session.client() as client:
        found = client.get(session.path("job", name), at=at)
        models = [] if at else client.get(session.path("job", name, "models"))["items"]
        waiting = "" if at or found["status"] not in WAITING else ask_why_waiting(session, client, name)
        under_way = not at and found["status"] in UNDER_WAY
        said = client.get(session.path("job", name, "progress"))["progress"] if under_way else None
    shown = shape(found, names_of(session.home))
    if said:
        shown["progress"] = said
    if waiting:
        shown["waiting"] = waiting
    session.show({**shown, "models": [one["name"] for one in models]} if models else shown)


@click.command("list", cls=Verb)
@click.option("--status", help="Only those in this status.")
@click.option("--experiment", "--experiment-name", "parent", help="Only those of it.")
@click.option("-p", "--parent-job-name", "of_job", metavar="NAME", help="Only those that this job submitted.")
@click.option("--tag", metavar="KEY[=VALUE]", help="Only those with this tag.")
@click.option("--prefix", help="Only names that begin so.")
@click.option("--max-results", "-r", type=click.IntRange(min=1), default=50, show_default=True)
@refused("`treering model show NAME:VERSION` says which job made a model", "--asset-name")
@yes_or_no("--all-results", help="Not only so many.")
@archived_options
@click.option("--at", type=MOMENT, metavar="POSITION|TIME|AGO", help="As the list was then.")
@click.pass_obj
def list_jobs(session: Session, /, max_results: int, all_results: bool, **filters: Any) -> None:
    """List jobs, the newest first."""
    most, advice = (JOBS_MAX, FEWER) if all_results else (max_results, "--max-results or --all-results brings more")
    people = names_of(session.home)
    with session.client() as client:
        found = first(session.listed(client, session.path("job"), most + 1, **filters), most, advice)
        then = moment_of(client, filters["at"])
    rows = [{**shape(one, people), "run_seconds": run_seconds(one, then)} for one in found]
    session.table(rows, COLUMNS, csv_columns=JOB)


def moment_of(client: Client, at: str | None) -> datetime:
    """The time that ``at`` stands for: now, a time that was, or when the commit at a position was made."""
    now = datetime.now(UTC)
    if not at:
        return now
    if at.isascii() and at.isdigit():
        rows = client.get("/v1/audit", until=at, limit=1)["rows"]
        return datetime.fromisoformat(rows[0]["at"]) if rows else now
    moment = datetime.fromisoformat(at)  # the list has judged it
    return min(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment, now)


def run_seconds(resource: Shape, now: datetime) -> float | None:
    """How long it ran, or had been running by ``now``."""
    since = next((since for status, since in resource["timeline"] if status == "Running"), "")
    if since and resource["status"] not in TERMINAL:
        return max((now - datetime.fromisoformat(since)).total_seconds(), 0.0)
    return duration_seconds(resource)
