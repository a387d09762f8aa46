"""``compute delete``: asks first, and says what becomes of the jobs, nodes and aliases of the target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from treering.cli.az_options import at_once
from treering.cli.compute_state import again, is_alias
from treering.cli.confirm import confirm
from treering.cli.job_wait import Resource, compute_of, listed
from treering.cli.kinds import COMPUTE, said
from treering.cli.lazy import Verb
from treering.cli.names import named
from treering.cli.notes import note
from treering.cli.session import Session
from treering.kernel.shared_limits import PAGE_MAX

if TYPE_CHECKING:
    from treering.client.http import Client

SHOWN_MAX = 5


class Users(NamedTuple):
    """What uses a compute target now; at most PAGE_MAX of each are looked at."""

    queued: list[str]
    nodes: list[str]
    aliases: list[str]


@click.command("delete", cls=Verb, help="Delete one compute target; its nodes and the jobs on them go on.")
@named
@click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@at_once
@click.pass_obj
def delete(session: Session, name: str, yes: bool) -> None:
    with session.client() as client:
        before = client.get(session.path("compute", name))
        if before["status"] == "deleted":
            note(f"compute {name!r} was deleted before")
        else:
            used = users_of(session, client, name)
            what = f"the alias {name!r} of {before['state']['alias_of']!r}" if is_alias(before) else f"compute {name!r}"
            confirm(f"Delete {what}?{''.join(f' {line}.' for line in uses(used))}", yes)
        said(session, client, COMPUTE, name, "delete", {})
    if before["status"] != "deleted":
        for line in advice(before, used):
            note(line)


def users_of(session: Session, client: Client, name: str) -> Users:
    targets = client.get(session.path("compute"), limit=PAGE_MAX)["items"]
    return Users(
        [one["name"] for one in listed(session, client, "job", "Queued") if compute_of(one) == name],
        [one["name"] for one in listed(session, client, "node", "online") if one["state"]["compute"] == name],
        [one["name"] for one in targets if one["state"].get("alias_of") == name],
    )


def uses(used: Users) -> Iterator[str]:
    """What a person should know before they agree."""
    for names, one, many in (
        (used.nodes, "node is online", "nodes are online"),
        (used.queued, "job is queued", "jobs are queued"),
        (used.aliases, "alias stands for it", "aliases stand for it"),
    ):
        if names:
            yield f"{len(names)} {one if len(names) == 1 else many}: {some(names)}"


def advice(before: Resource, used: Users) -> Iterator[str]:
    """What was not ended by the deletion, and how to take it back."""
    if used.queued and used.nodes:
        yield f"jobs that were queued still run on its nodes: {some(used.queued)}; `treering job cancel NAME` ends one"
    elif used.queued:
        yield (
            f"jobs wait for it and will not run: {some(used.queued)}; make it again, "
            "or end them with `treering job cancel NAME`"
        )
    if used.aliases:
        yield f"aliases stand for nothing now: {some(used.aliases)}; `treering compute alias NAME TARGET` changes one"
    yield f"`{again(before)}` makes it again"


def some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN_MAX]) + (" and more" if len(names) > SHOWN_MAX else "")
