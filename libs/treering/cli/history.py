"""Questions about the past: ``show``, ``story``, ``lifecycle`` and ``audit query``."""

from __future__ import annotations

from typing import Any

import click

from treering.cli.lazy import LazyGroup, Verb
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import shape

audit = LazyGroup("audit", help="Ask who did what, when.")
AUDIT = {"At": "at", "Event": "type", "Of": "of", "By": "by", "Position": "position", "Cause": "cause"}
STORY = {"At": "at", "Event": "type", "By": "by", "Because": "because_of", "About": "about", "Position": "position"}
INTERVALS = {"Status": "status", "Since": "since", "Until": "until", "For": "seconds"}
SUMMARY = {"Status": "status", "Ended": "count", "In it now": "open", "p50": "p50_seconds", "p95": "p95_seconds"}


@click.command("show", cls=Verb)
@click.argument("resource", metavar="KIND/NAME")
@click.option("--at", metavar="POSITION|TIME", help="As it was then.")
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
        rows = list(session.listed(client, path, max_results, key="rows"))
        if not rows:
            client.get(session.address(resource))  # says that there is no such resource
    session.table(with_names(session, rows), STORY)


@click.command("lifecycle", cls=Verb)
@click.argument("resource", metavar="KIND[/NAME]")
@click.pass_obj
def lifecycle(session: Session, resource: str) -> None:
    """How long a resource was in each status; without a name, a summary of its kind."""
    kind, slash, _ = resource.partition("/")
    with session.client() as client:
        if slash:
            answer = client.get(f"{history_path(session, resource)}/lifecycle")
            session.table(answer["intervals"], INTERVALS)
        else:
            path = session.path(kind).rpartition("/")[0]
            session.table(client.get(f"{path}/lifecycle", kind=kind)["summary"], SUMMARY)


@audit.command("query", help="Find events by who, what and when; all conditions must hold.")
@click.option("--actor", help="An actor's id, or a name this home knows.")
@click.option("--kind")
@click.option("--name")
@click.option("--type", "type_", help="Such as job.submitted.")
@click.option("--since", metavar="POSITION|TIME")
@click.option("--until", metavar="POSITION|TIME")
@click.option("--cause", help="The id of a commit or command.")
@click.option("--text", help="Looked for in the event's JSON.")
@click.option("--oldest-first", is_flag=True)
@click.option("--all-workspaces", is_flag=True)
@click.option("--max-results", "-r", type=click.IntRange(min=1), default=100, show_default=True)
@click.pass_obj
def query(
    session: Session,
    /,
    actor: str | None,
    type_: str | None,
    oldest_first: bool,
    all_workspaces: bool,
    max_results: int,
    **filters: str | None,
) -> None:
    ids = {name: id for id, name in names_of(session.home).items()}
    asked: dict[str, Any] = {**filters, "type": type_, "actor": ids.get(actor or "", actor)}
    asked["workspace"] = "" if all_workspaces else session.workspace
    asked["oldest_first"] = oldest_first
    with session.client() as client:
        rows = list(session.listed(client, "/v1/audit", max_results, key="rows", **asked))
    session.table(with_names(session, rows), AUDIT)


def history_path(session: Session, resource: str) -> str:
    """Where the history of ``kind/name`` is; of a workspace too it is below ``workspaces/<ws>/workspaces/<ws>``."""
    path = session.address(resource)
    kind, _, name = resource.partition("/")
    return f"{path}/workspaces/{name}" if kind.removesuffix("s") == "workspace" else path


def with_names(session: Session, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the names of their actors, what they are of, and why they came to be, in words."""
    people = names_of(session.home)
    for row in rows:
        row["by"] = people.get(row["actor"], row["actor"])
        row["of"] = f"{row['kind']}/{row['name']}"
        if because := row.get("because"):
            row["because_of"] = f"{because['type']} of {because['kind']}/{because['name']}"
    return rows
