"""``treering subscriber``: let a program watch the events of a workspace, and nothing else."""

from __future__ import annotations

import click

from treering.adapters.subscribers import Subscribers
from treering.cli.lazy import LazyGroup
from treering.cli.names import named
from treering.cli.session import Session

subscriber = LazyGroup("subscriber", help="Let programs watch the events of a workspace, and nothing else.")


def subscribers(session: Session) -> Subscribers:
    return Subscribers(session.home.absolute() / "keys")


@subscriber.command("add", help="Make a subscriber of the workspace known and show its token; said twice, the same.")
@named
@click.pass_obj
def add(session: Session, name: str) -> None:
    made = subscribers(session).add(name, session.workspace)
    session.show({"name": made.name, "workspace": made.workspace, "token": made.token})


@subscriber.command("list", help="Who they are, without their tokens.")
@click.pass_obj
def list_all(session: Session) -> None:
    known = [{"name": one.name, "workspace": one.workspace} for one in subscribers(session).all()]
    session.table(known, {"Name": "name", "Workspace": "workspace"})


@subscriber.command("remove", help="Shut it out from now on.")
@named
@click.pass_obj
def remove(session: Session, name: str) -> None:
    subscribers(session).remove(name)
