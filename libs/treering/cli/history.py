"""Questions about the past of a resource: ``show``, ``story`` and ``lifecycle``."""

from __future__ import annotations

from typing import Any

import click

from treering.cli.lazy import Verb
from treering.cli.moments import MOMENT
from treering.cli.notes import first
from treering.cli.people import names_of, who
from treering.cli.session import Session
from treering.cli.shapes import shape
from treering.kernel.subjects import singular

STORY = {"At": "at", "Event": "event", "By": "by", "Because": "because_of", "About": "about", "Position": "position"}
INTERVALS = {"Status": "status", "Since": "since", "Until": "until", "For": "seconds"}
SUMMARY = {"Status": "status", "Ended": "count", "In it now": "open", "p50": "p50_seconds", "p95": "p95_seconds"}
DURATIONS = {
    "Parent": "parent", "Status": "status", "Ended": "count", "In it now": "open", "p50": "p50_seconds",
    "p95": "p95_seconds", "p99": "p99_seconds", "Longest": "longest_seconds",
}  # fmt: skip


@click.command("show", cls=Verb)
@click.argument("resource", metavar="KIND/NAME")
@click.option("--at", type=MOMENT, metavar="POSITION|TIME|AGO", help="As it was then.")
@click.pass_obj
def show(session: Session, resource: str, at: str | None) -> None:
    """Show any resource, now or as it was."""
    path = session.address(resource)
    with session.client() as client:
        found = client.get(path, at=at)
    session.show(shape(found, names_of(session.home)))


@click.command("story", cls=Verb)
@click.argument("resource", metavar="KIND/NAME")
@click.option("--max-results", "-r", type=click.IntRange(min=1), default=1000, show_default=True)
@click.pass_obj
def story(session: Session, resource: str, max_results: int) -> None:
    """Tell what happened to a resource in order, with what others published about it."""
    path = f"{history_path(session, resource)}/story"
    with session.client() as client:
        rows = first(session.listed(client, path, max_results + 1, key="rows"), max_results)
    session.table(with_names(session, rows), STORY, csv_columns=(*ROW, "because", "because_of"))


@click.command("lifecycle", cls=Verb)
@click.argument("resource", metavar="KIND[/NAME]")
@click.option("--by", type=click.Choice(["status", "parent"]), default="status", help="Of a kind: for each parent too.")
@click.option("--parent", default="", help="Only the resources of this parent, such as an experiment.")
@click.pass_obj
def lifecycle(session: Session, resource: str, by: str, parent: str) -> None:
    """How long a resource was in each status; without a name, a summary of its kind."""
    kind, slash, _ = resource.partition("/")
    with session.client() as client:
        if slash:
            answer = client.get(f"{history_path(session, resource)}/lifecycle")
            session.table(answer["intervals"], INTERVALS)
        elif by == "parent" or parent:
            rows = client.get("/v1/durations", workspace=session.workspace, kind=kind, parent=parent)["rows"]
            session.table(rows, DURATIONS)
        else:
            path = session.path(singular(kind)).rpartition("/")[0]
            session.table(client.get(f"{path}/lifecycle", kind=kind)["summary"], SUMMARY)


def history_path(session: Session, resource: str) -> str:
    """Where the history of ``kind/name`` is; of a workspace too it is below ``workspaces/<ws>/workspaces/<ws>``."""
    path = session.address(resource)
    kind, _, name = resource.partition("/")
    return f"{path}/workspaces/{name}" if singular(kind) == "workspace" else path


# The columns of CSV: all that a row of the audit can have, also when no row of an answer has it.
ROW = (
    "position", "index", "workspace", "kind", "name", "type", "at", "actor", "command_id", "commit_id", "data", "cause",
    "trace", "about", "published", "data_bytes", "via", "by", "of", "event",
)  # fmt: skip


def with_names(session: Session, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the names of their actors, what they are of, and why they came to be, in words."""
    people = names_of(session.home)
    for row in rows:
        row["by"] = who(people.get(row["actor"], row["actor"]), row.get("via", ""))
        row["of"] = f"{row['kind']}/{row['name']}"
        row["event"] = f"{row['published']} (published)" if row.get("published") else row["type"]
        if because := row.get("because"):
            row["because_of"] = f"{because['type']} of {because['kind']}/{because['name']}"
    return rows
