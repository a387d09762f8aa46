"""``treering audit``: find events by who, what and when, count them, and follow them as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click

from treering.cli.audit_follow import followed
from treering.cli.history import ROW, with_names
from treering.cli.lazy import LazyGroup
from treering.cli.moments import MOMENT
from treering.cli.notes import first, note
from treering.cli.people import names_of
from treering.cli.session import Session

AUDIT = {"At": "at", "Event": "event", "Of": "of", "By": "by", "Position": "position", "Cause": "cause"}
COUNTS = ("type", "kind", "workspace", "actor", "name", "day", "hour")
Asking = Callable[..., None]

ASK = {"ask": ("treering.cli.audit_ask:ask", "Ask one of the saved questions of auditors.")}
PROOF = {
    "prove": ("treering.cli.proof:prove", "Write a file that proves an event to anybody who has the log's key."),
    "check": ("treering.cli.proof:check", "Check a proof file, without a server."),
}

audit = LazyGroup("audit", lazy={**ASK, **PROOF}, help="Ask who did what, when.")


def filters(function: Asking) -> Asking:
    """The conditions that questions about events have in common."""
    options = [
        click.option("--actor", help="An actor's id, or a name this home knows."),
        click.option("--kind", help="Such as job."),
        click.option("--name", help="Of the resource."),
        click.option("--type", "type_", help="Such as job.submitted, job.* or *.failed; several with commas."),
        click.option(
            "--since", type=MOMENT, metavar="POSITION|TIME|AGO", help="This and what came later; -1h is an hour ago."
        ),
        click.option("--until", type=MOMENT, metavar="POSITION|TIME|AGO", help="This and what came before."),
        click.option("--all-workspaces", is_flag=True),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def asked(
    session: Session, actor: str | None, type_: str | None, all_workspaces: bool, rest: dict[str, Any]
) -> dict[str, Any]:
    """The query string of a question."""
    ids = {name: id for id, name in names_of(session.home).items()}
    workspace = "" if all_workspaces else session.workspace
    return {**rest, "type": type_, "actor": ids.get(actor or "", actor), "workspace": workspace}


@audit.command("query", help="Find events by who, what and when; all conditions must hold.")
@filters
@click.option("--cause", help="The id of a commit or command.")
@click.option("--text", help='Words of the event: all of them, "in a row", or begin*.')
@click.option("--oldest-first", is_flag=True)
@click.option("--max-results", "-r", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--follow", "-F", is_flag=True, help="Go on with new ones as they come; the newest so far come first.")
@click.pass_obj
def query(
    session: Session,
    /,
    actor: str | None,
    type_: str | None,
    all_workspaces: bool,
    oldest_first: bool,
    max_results: int,
    follow: bool,
    **rest: str | None,
) -> None:
    said = asked(session, actor, type_, all_workspaces, rest)
    with session.client() as client:
        if follow:
            if oldest_first:
                raise click.UsageError("--follow goes on from the newest; it cannot begin with the oldest")
            write(session, named(session, followed(session, client, max_results, {**said, "unseen": True})))
            return
        every = session.listed(client, "/v1/audit", max_results + 1, key="rows", oldest_first=oldest_first, **said)
        rows = first(every, max_results)
    session.table(with_names(session, rows), AUDIT, csv_columns=ROW)


def named(session: Session, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield from with_names(session, [row])


def write(session: Session, rows: Iterator[dict[str, Any]]) -> None:
    """Each row as it comes, in a line of its own."""
    from treering.cli.follow_output import line_writer

    line = line_writer(session, AUDIT, ROW)
    for row in rows:
        line(row)


@audit.command("count", help="Count events by one of their columns.")
@filters
@click.option("--by", type=click.Choice(COUNTS), default="type", show_default=True)
@click.pass_obj
def count(
    session: Session, /, actor: str | None, type_: str | None, all_workspaces: bool, by: str, **rest: str | None
) -> None:
    with session.client() as client:
        found = client.get("/v1/audit/count", by=by, **asked(session, actor, type_, all_workspaces, rest))
    people = names_of(session.home) if by == "actor" else {}
    rows = [{by: people.get(row["value"], row["value"]), "events": row["events"]} for row in found["rows"]]
    session.table(rows, {by.capitalize(): by, "Events": "events"})


@audit.command(
    "sql", help="One SELECT over the documented views, such as: SELECT type, count(*) FROM events GROUP BY 1"
)
@click.argument("sql")
@click.option("--max-results", "-r", type=click.IntRange(1, 10_000), default=1000, show_default=True)
@click.pass_obj
def sql(session: Session, sql: str, max_results: int) -> None:
    if session.workspace_said:
        condition = "WHERE workspace = '...'"
        raise click.UsageError(f"the views have all workspaces: in place of -w, say {condition} (audit views)")
    with session.client() as client:
        answer = client.post("/v1/audit/sql", {"sql": sql, "limit": max_results})
    columns = distinct(answer["columns"])
    session.table([dict(zip(columns, row, strict=True)) for row in answer["rows"]], {name: name for name in columns})
    if answer["truncated"]:
        note(f"there are more rows than the {len(answer['rows'])} shown")


def distinct(names: list[str]) -> list[str]:
    """Column names, those that come again with a number, so that no value is lost."""
    return [name if name not in names[:index] else f"{name}:{index}" for index, name in enumerate(names)]


@audit.command("views", help="The documented views for audit sql, and their columns.")
@click.argument("name", required=False)
@click.pass_obj
def views(session: Session, name: str | None) -> None:
    with session.client() as client:
        found = client.get("/v1/audit/views")["views"]
    if name:
        chosen = [view for view in found if view["name"].lower() == name.lower()]
        if not chosen:
            raise click.UsageError(f"there is no view {name!r}; audit views names those there are")
        session.table([{"column": column} for column in chosen[0]["columns"]], {"Column": "column"})
        return
    session.table(found, {"View": "name", "What": "help"})
