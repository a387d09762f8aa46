"""Who may do what: ``treering credential``, and how the commands that change it have it put into the log."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from treering.cli.kinds import Kind, group_of
from treering.cli.names import named
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.terminal import put
from treering.client.errors import ApiError, NotRunning, Unreachable
from treering.client.urls import segment
from treering.kernel.refusal import Refused

T = TypeVar("T")
COLUMNS_LISTED = ("workspace", "status", "sort", "rights")
credential = group_of(Kind("credential", "Who may do what, and since when.", columns=COLUMNS_LISTED, everywhere=True))


def changed(session: Session, code: str, change: Coroutine[Any, Any, T]) -> T:
    """Make a change of who may do what and have it recorded; ``Refused(code)`` when nats-server does not take it."""
    from treering.adapters.nats_process import NatsServerError

    try:
        made = asyncio.run(change)
    except NatsServerError as error:
        raise Refused(code, str(error)) from None
    recorded(session)
    return made


def recorded(session: Session) -> None:
    """Have a running installation put into the log who may do what now; one that is down does it when it starts."""
    try:
        with session.client() as client:
            client.post("/v1/access/record", {})
    except NotRunning:
        return
    except (Unreachable, ApiError) as error:
        put(f"warning: done, but not in the log yet: {error.detail}; it is found within a minute", file=sys.stderr)


def require_workspace(session: Session) -> None:
    """Before anything is made for somebody: ``Refused("workspace.absent")`` unless the session's workspace exists.

    What a stopped installation holds is not read here; there ``main`` alone is sure to come with its start.
    """
    try:
        with session.client() as client:
            client.get(session.path("workspace", session.workspace))
    except NotRunning:
        if session.workspace != MAIN:
            why = f"whether there is a workspace {session.workspace!r} is known when treering runs; start it first"
            raise Refused("workspace.absent", why) from None


def in_force(session: Session, sort: str) -> list[dict[str, Any]]:
    """The publishers or subscribers of the session's workspace: with which rights, since when, and who let them."""
    people = names_of(session.home)
    with session.client() as client:
        path = "/".join(["/v1/workspaces", segment(session.workspace), "ask", "access"])
        rows = list(session.listed(client, path, LISTED_MAX, "rows"))
    return [{"name": one["who"], **one, "by": people.get(one["by"], one["by"])} for one in rows if one["sort"] == sort]


MAIN = "main"
LISTED_MAX = 100_000
COLUMNS = {"Name": "name", "Workspace": "workspace", "Rights": "rights", "Since": "since", "By": "by"}


@credential.command("rename", help="Give a person (id or name) another name; the log learns that, not the name.")
@named
@click.option("--to", "new", required=True, metavar="NAME")
@click.pass_obj
def rename(session: Session, name: str, new: str) -> None:
    if not new.strip():
        raise click.UsageError("--to needs a name; `credential erase` takes the name away")
    told(session, id_of(session, name), new)


@credential.command("erase", help="Delete a person's name for ever: what they did stays under their id.")
@named
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(session: Session, name: str, yes: bool) -> None:
    id = id_of(session, name)
    if not yes:
        click.confirm(f"Delete the name of {name} for ever?", abort=True, err=True)
    told(session, id, "")


def id_of(session: Session, who: str) -> str:
    """The id of a person said by id or name; ``Refused("credential.absent")`` for somebody who has no name here."""
    from treering.adapters.names import read_names
    from treering.config import Home

    ids = [id for id, known in names_of(session.home).items() if known == who]
    if len(ids) > 1:
        raise Refused("credential.ambiguous", f"{who!r} are several: {', '.join(ids)}; say the id")
    id = ids[0] if ids else who.removeprefix("user:")
    if id not in read_names(Home(session.home.absolute())):
        why = f"there is no person {who[:80]!r}, by id or by the name of now; `treering credential list` shows them"
        raise Refused("credential.absent", why)
    return id


def told(session: Session, id: str, name: str) -> None:
    with session.client() as client:
        session.show({"id": id, **client.post(f"/v1/names/{segment(id)}", {"name": name})})
