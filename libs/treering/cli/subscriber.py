"""``treering subscriber``: let a program watch the events of a workspace, and nothing else."""

from __future__ import annotations

import click

from treering.cli.access import COLUMNS, changed, in_force, require_workspace
from treering.cli.lazy import LazyGroup
from treering.cli.names import named
from treering.cli.session import Session

subscriber = LazyGroup("subscriber", help="Let programs watch the events of a workspace, and nothing else.")


@subscriber.command("add", help="Let a program watch the workspace: its token, and its NATS credential.")
@named
@click.pass_obj
def add(session: Session, name: str) -> None:
    from treering.adapters.nats_accounts import add_subscriber
    from treering.adapters.nats_credentials import keys_folder

    require_workspace(session)
    home = session.home.absolute()
    made, credential = changed(session, "subscriber.not_accepted", add_subscriber(home, name, session.workspace))
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

    changed(session, "subscriber.not_removed", remove_subscriber(session.home.absolute(), name))
