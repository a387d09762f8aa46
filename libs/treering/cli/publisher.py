"""``treering publisher``: let a program publish events over NATS under a name of its own."""

from __future__ import annotations

import asyncio

import click

from treering.cli.lazy import LazyGroup
from treering.cli.names import named
from treering.cli.session import Session
from treering.kernel.refusal import Refused

publisher = LazyGroup("publisher", help="Let programs publish events over NATS.")


@publisher.command("add", help="Let a program publish; says where its credential is.")
@named
@click.pass_obj
def add(session: Session, name: str) -> None:
    from treering.adapters.nats_accounts import add_publisher
    from treering.adapters.nats_credentials import keys_folder
    from treering.adapters.nats_process import NatsServerError

    home = session.home.absolute()
    try:
        credential = asyncio.run(add_publisher(home, name))
    except NatsServerError as error:
        raise Refused("publisher.not_accepted", str(error)) from None
    file = keys_folder(home) / f"{credential.user}.json"
    session.show({"name": name, "user": credential.user, "subject": f"pub.{name}", "credential": str(file)})
