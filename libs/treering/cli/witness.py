"""``treering witness``: places that hold the newest checkpoint, so that nobody can set the log back unnoticed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from treering.cli.access import recorded
from treering.cli.lazy import LazyGroup
from treering.cli.session import Session
from treering.config import Home
from treering.domain.witness import Sort
from treering.kernel.log import LogDamaged
from treering.kernel.refusal import Refused

witness = LazyGroup("witness", help="Places that hold the newest checkpoint of the log.")
COLUMNS = {
    "Name": "name",
    "Kind": "kind",
    "Target": "target",
    "Required": "required",
    "Holds": "size",
    "State": "state",
}


@witness.command("add")
@click.argument("kind", type=click.Choice(["file", "git", "s3"]))
@click.argument("target")
@click.option("--name", default="", help="What to call it.")
@click.option("--endpoint", default="", help="Of an S3 store that is not AWS, such as https://minio.example.com.")
@click.option("--region", default="", help="Of an S3 store; us-east-1 if not said.")
@click.option("--required", is_flag=True, help="Nothing starts while it does not answer.")
@click.pass_obj
def add(session: Session, kind: Sort, target: str, name: str, endpoint: str, region: str, required: bool) -> None:
    """Give every new checkpoint to a file, a git repository, or an object of an S3 store.

    TARGET is a path, a repository, or s3://BUCKET/KEY. For an S3 store AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
    AWS_SESSION_TOKEN of this command's environment are kept, sealed, and never in the log.
    """
    from treering.adapters.witnesses import add_witness, remove_witness

    if (endpoint or region) and kind != "s3":
        raise click.UsageError("--endpoint and --region are for s3")
    if more := urlencode({key: value for key, value in (("endpoint", endpoint), ("region", region)) if value}):
        target += f"{'&' if '?' in target else '?'}{more}"

    home = Home(session.home.absolute())
    home.create()
    added = add_witness(home, kind, target, name, required=required)
    try:
        first_given(home, added)
    except Refused:
        remove_witness(home, added.name)
        raise
    recorded(session)
    session.show(state_of(home, added))


def first_given(home: Home, added: Any) -> None:
    """The last checkpoint goes there at once; what the witness holds already must be of this log."""
    from treering.adapters.checkpoints import CHECKPOINT_FILE, log_key_of, read_own
    from treering.adapters.witnesses import WitnessUnreachable, give, held, seen_by

    try:
        own = read_own(home)
        if own is None:
            held(home, added)
        elif seen_by(home, added, log_key_of(home)) is None:
            give(home, added, (home.copy / CHECKPOINT_FILE).read_bytes(), own.head.size)
    except WitnessUnreachable as error:
        raise Refused("witness.unreachable", str(error)) from None
    except LogDamaged as error:
        raise Refused("witness.other_log", str(error)) from None


@witness.command("list", help="The witnesses, what each holds, and whether this log signed it.")
@click.pass_obj
def list_(session: Session) -> None:
    from treering.adapters.witnesses import read_witnesses

    home = Home(session.home.absolute())
    session.table([state_of(home, one) for one in read_witnesses(home)], COLUMNS)


def state_of(home: Home, one: Any) -> dict[str, Any]:
    import msgspec

    from treering.adapters.signing import LOG_KEY_FILE, read_log_key
    from treering.adapters.witnesses import WitnessUnreachable, seen_by

    size, state = 0, "holds nothing yet"
    try:
        seen = seen_by(home, one, read_log_key(home.keys).verifier) if (home.keys / LOG_KEY_FILE).exists() else None
        if seen:
            size, state = seen.head.size, "ok"
    except (WitnessUnreachable, LogDamaged) as error:
        state = str(error)
    found: dict[str, Any] = msgspec.to_builtins(one)
    return {**found, "required": one.required, "size": size, "state": state}


@witness.command("remove", help="Give it no more checkpoints, and ask it no more. What it holds stays.")
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    from treering.adapters.witnesses import remove_witness

    removed = remove_witness(Home(session.home.absolute()), name)
    recorded(session)
    session.show({"removed": removed.name, "target": removed.target})
