"""``treering subscriber``: let a program watch the events of a workspace, and nothing else."""

from __future__ import annotations

import asyncio

import click

from treering.cli.access import COLUMNS, in_force, recorded, require_workspace
from treering.cli.lazy import LazyGroup
from treering.cli.names import named
from treering.cli.session import Session
from treering.kernel.refusal import Refused

subscriber = LazyGroup("subscriber", help="Let programs watch the events of a workspace, and nothing else.")


@subscriber.command("add", help="Let a program watch the workspace: its token, and its NATS credential.")
@named
@click.pass_obj
def add(session: Session, name: str) -> None:
    from treering.adapters.nats_accounts import add_subscriber
    from treering.adapters.nats_credentials import keys_folder
    from treering.adapters.nats_process import NatsServerError

    require_workspace(session)
    home = session.home.absolute()
    try:
        made, credential = asyncio.run(add_subscriber(home, name, session.workspace))
    except NatsServerError as error:
        raise Refused("subscriber.not_accepted", str(error)) from None
    recorded(session)
    file = keys_folder(home) / f"{credential.user}.json"
    shown = {"name": made.name, "workspace": made.workspace, "token": made.token, "user": credential.user}
    session.show({**shown, "subject": f"sub.{name}", "credential": str(file)})


@subscriber.command("list", help="Who may watch the workspace, since when, and who let them.")
@click.pass_obj
def list_all(session: Session) -> None:
    session.table(in_force(session, "subscriber"), COLUMNS)


@subscriber.command("remove", help="Shut it out from now on; its streams end and its NATS connections are closed.")
@named
@click.pass_obj
def remove(session: Session, name: str) -> None:
    from treering.adapters.nats_accounts import remove_subscriber
    from treering.adapters.nats_process import NatsServerError

    try:
        asyncio.run(remove_subscriber(session.home.absolute(), name))
    except NatsServerError as error:
        raise Refused("subscriber.not_removed", str(error)) from None
    recorded(session)
