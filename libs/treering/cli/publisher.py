"""``treering publisher``: let a program publish events over NATS under a name of its own, into one workspace."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treering.cli.access import COLUMNS, changed, in_force, require_workspace
from treering.cli.lazy import LazyGroup
from treering.cli.names import named
from treering.cli.notes import first
from treering.cli.session import Session
from treering.cli.terminal import put

if TYPE_CHECKING:
    from treering.client.outbox import Kept

OUTBOX = {"Workspace": "workspace", "Id": "id", "Type": "type", "Time": "time", "Source": "source", "Refused": "detail"}
publisher = LazyGroup("publisher", help="Let programs publish events over NATS into a workspace.")


@publisher.command("add", help="Let a program publish into the workspace; says where its credential is.")
@named
@click.option("--source", "sources", multiple=True, metavar="PREFIX", help="Only events whose source begins so.")
@click.option("--type", "types", multiple=True, metavar="PATTERN", help="Only this type, or a pattern such as build.*.")
@click.pass_obj
def add(session: Session, name: str, sources: tuple[str, ...], types: tuple[str, ...]) -> None:
    from treering.adapters.nats_accounts import add_publisher
    from treering.adapters.nats_credentials import keys_folder

    require_workspace(session)
    home = session.home.absolute()
    adding = add_publisher(home, name, session.workspace, sources, types)
    made = changed(session, "publisher.not_accepted", adding)
    file = keys_folder(home) / f"{made.user}.json"
    session.show(
        {
            "name": name, "workspace": made.bound_to, "user": made.user, "subject": f"pub.{name}",
            "sources": list(made.sources), "types": list(made.types), "credential": str(file),
        }
    )  # fmt: skip


@publisher.command("remove", help="Shut it out from now on; its connections are closed.")
@named
@click.pass_obj
def remove(session: Session, name: str) -> None:
    from treering.adapters.nats_accounts import remove_publisher

    changed(session, "publisher.not_removed", remove_publisher(session.home.absolute(), name))


@publisher.command("outbox", help="What waits in an outbox of a publisher, and what was refused; --flush sends it.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--flush", "flushing", is_flag=True, help="Send what waits, and say what became of it.")
@click.option("--max-results", "-r", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.pass_context
def outbox(context: click.Context, file: Path, flushing: bool, max_results: int) -> None:
    from treering.client.outbox import flush, kept_in, waiting_in

    session = context.ensure_object(Session)
    if not flushing:
        rows = [row_of(one) for one in kept_in(file, max_results + 1)]
        session.table(first(rows, max_results), OUTBOX)
        waiting = sum(waiting_in(file).values())
        put(f"{waiting} events wait in {file}" + (": --flush sends them" if waiting else ""), file=sys.stderr)
        return
    with session.client() as client:
        done = flush(client, file)
    session.show(done._asdict())
    context.exit(1 if done.left or done.refused else 0)


def row_of(kept: Kept) -> dict[str, Any]:
    named = {name: kept.event.get(name, "") for name in ("id", "type", "time", "source", "subject")}
    return {"workspace": kept.workspace, **named, "code": kept.code, "detail": kept.detail}


@publisher.command("list", help="Who may publish into the workspace, since when, and who let them.")
@click.pass_obj
def list_all(session: Session) -> None:
    session.table(in_force(session, "publisher"), {**COLUMNS, "Sources": "sources", "Types": "types"})
