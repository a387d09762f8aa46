"""``treering usage`` and ``treering stuck``: what work cost, and what needs somebody."""

from __future__ import annotations

import click

from treering.cli.lazy import Verb
from treering.cli.moments import DAY
from treering.cli.people import names_of
from treering.cli.session import Session

STUCK = 4  # the exit code that says that something is stuck
USAGE = {
    "Jobs": "jobs", "Node time": "node_seconds", "Output bytes": "output_bytes", "Running": "running",
    "For": "running_node_seconds",
}  # fmt: skip
PROBLEMS = {
    "Workspace": "workspace", "Of": "of", "Problem": "problem", "Status": "status", "Since": "since",
    "For": "seconds", "Why": "why",
}  # fmt: skip


@click.command("usage", cls=Verb)
@click.option("--by", type=click.Choice(["workspace", "experiment", "actor", "day", "hour"]), default="experiment")
@click.option("--since", type=DAY, metavar="DAY|AGO", help="The first day or hour, such as 2026-01-31, 7d or 3h.")
@click.option("--until", type=DAY, metavar="DAY|AGO", help="The last day or hour.")
@click.option("--all-workspaces", is_flag=True)
@click.pass_obj
def usage(session: Session, by: str, since: str | None, until: str | None, all_workspaces: bool) -> None:
    """What jobs cost: the node-seconds they held, and the bytes of their outputs."""
    workspace = "" if all_workspaces or by == "workspace" else session.workspace
    with session.client() as client:
        found = client.get("/v1/usage", workspace=workspace, by=by, since=since, until=until)["rows"]
    people = names_of(session.home) if by == "actor" else {}
    rows = [{by: people.get(row["value"], row["value"]), **without(row, "value")} for row in found]
    session.table(rows, {by.capitalize(): by, **USAGE})


def without(row: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in row.items() if key != name}


@click.command("stuck", cls=Verb)
@click.option("--waiting-seconds", type=click.FloatRange(min=0, min_open=True), help="In a status such as Queued.")
@click.option("--silent-seconds", type=click.FloatRange(min=0, min_open=True), help="Running, without any event.")
@click.option("--failures", type=click.IntRange(min=2), help="Of one resource, or of an experiment's last jobs.")
@click.option("--all-workspaces", is_flag=True)
@click.pass_context
def stuck(
    context: click.Context,
    waiting_seconds: float | None,
    silent_seconds: float | None,
    failures: int | None,
    all_workspaces: bool,
) -> None:
    """What waits too long, is silent, or fails again and again. Exit code: 0 nothing, 4 something is stuck.

    The thresholds are those of the monitor (TREERING_STUCK_WAITING_SECONDS, _SILENT_SECONDS, _FAILURES)
    unless they are given here.
    """
    session = context.ensure_object(Session)
    asked = {"waiting_seconds": waiting_seconds, "silent_seconds": silent_seconds, "failures": failures}
    with session.client() as client:
        workspace = "" if all_workspaces else session.workspace
        rows = client.get("/v1/stuck", workspace=workspace, **asked)["rows"]
    for row in rows:
        row["of"] = f"{row['kind']}/{row['name']}"
    session.table(rows, PROBLEMS)
    context.exit(STUCK if rows else 0)
