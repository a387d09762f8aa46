"""``treering compute``: targets that nodes join, and names that stand for another target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treering.cli.az_options import passed_over
from treering.cli.compute_delete import delete
from treering.cli.compute_state import check_there
from treering.cli.job_wait import listed, no_node_hint
from treering.cli.kinds import COMPUTE, TYPES, group_of, said
from treering.cli.names import named, one_name, pairs, sets_option
from treering.cli.notes import note
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import shape

if TYPE_CHECKING:
    from treering.client.http import Client

compute = group_of(COMPUTE)
compute.add_command(delete)

NODES_MAX = 100
COLUMNS = {"Name": "name", "Stands for": "alias_of"}
ALIASES_MAX = 10_000
NODES_LISTED_MAX = 10_000


@compute.command("create", help="Create a compute target that nodes can join, from its YAML or from options.")
@click.argument("place", required=False, metavar="NAME")
@click.option("-n", "--name", "name", default="", help="Stands before the name in the YAML.")
@click.option("-f", "--file", "file", type=click.Path(path_type=Path), help="The YAML.")
@click.option("-t", "--type", "compute_type", type=click.Choice(list(TYPES), case_sensitive=False))
@click.option("--max-instances", type=click.IntRange(min=0), help=f"How many nodes may join; default {NODES_MAX}.")
@click.option("--description", default="")
@click.option("--tags", "tags", multiple=True, metavar="KEY=VALUE")
@sets_option()
@passed_over(
    "nodes join by themselves (treering node join), with what their machines have; this means nothing here",
    "--min-instances", "--size|-s", "--tier", "--idle-time-before-scale-down", "--location|-l", "--vnet-name",
    "--subnet", "--admin-username", "--admin-password", "--ssh-key-value", "--ssh-public-access-enabled",
    "--identity-type|-i", "--user-assigned-identities", "--user-tenant-id", "--user-object-id",
    "--enable-node-public-ip", flags=("--no-wait",),
)  # fmt: skip
@click.pass_obj
def create(
    session: Session, /, place: str | None, name: str, file: Path | None, sets: tuple[str, ...], **said_: Any
) -> None:
    name = one_name(place, name)
    key, body = from_file(file, sets, name, said_) if file else from_options(name, sets, said_)
    with session.client() as client:
        said(session, client, COMPUTE, key, "create", body)
        if not any(one["state"]["compute"] == key for one in listed(session, client, "node", "online")):
            note(f"jobs on {key!r} wait until a node joins it: {no_node_hint(key, session.workspace)}")


def from_options(name: str, sets: tuple[str, ...], said_: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if not name:
        raise click.UsageError("a name is missing: NAME, -n NAME or --file")
    from treering.specs.changes import changed_texts

    nodes_max = NODES_MAX if said_["max_instances"] is None else max(1, said_["max_instances"])
    tags = pairs(said_["tags"], "--tags")
    return name, {
        "compute_type": TYPES[(said_["compute_type"] or "nodes").lower()],
        "nodes_max": nodes_max,
        "description": said_["description"],
        "tags": tags,
        **changed_texts(sets, tags, ("description",)),
    }


def from_file(file: Path, sets: tuple[str, ...], name: str, said_: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    from treering.specs.compute_draft import load_compute

    texts = {"name": name, "description": said_["description"]}
    draft = load_compute(file, sets, texts, pairs(said_["tags"], "--tags"))
    for one in draft.notes:
        note(one)
    most = said_["max_instances"]
    return draft.name, draft.body if most is None else {**draft.body, "nodes_max": max(1, most)}


@compute.command("alias")
@click.argument("name", required=False)
@click.argument("target", required=False)
@click.option("--remove", is_flag=True, help="Jobs cannot name it any more.")
@click.pass_obj
def alias(session: Session, name: str | None, target: str | None, remove: bool) -> None:
    """Let jobs that name NAME run on TARGET; without arguments, list such names.

    A YAML made for Azure ML names a cluster of its own: `compute alias cpu-cluster local` runs it here as it is, and
    the job says so.
    """
    name, target = bare(name), bare(target)
    with session.client() as client:
        if name is None:
            session.table(aliases(session, client), COLUMNS)
        elif remove:
            if target is not None:
                raise click.UsageError("--remove takes the NAME alone")
            check_is_alias(session, client, name)
            said(session, client, COMPUTE, name, "delete", {})
        elif target is None:
            raise click.UsageError("a target is missing: treering compute alias NAME TARGET")
        else:
            said(session, client, COMPUTE, name, "alias", {"target": target})


def bare(name: str | None) -> str | None:
    """As the compute of a job may be written: azureml:NAME."""
    return None if name is None else name.removeprefix("azureml:")


@compute.command("list-nodes")
@named
@click.pass_obj
def list_nodes(session: Session, name: str) -> None:
    """List the nodes of a compute target."""
    with session.client() as client:
        check_there(client.get(session.path("compute", name)))
        found = [
            one
            for one in session.listed(client, session.path("node"), NODES_LISTED_MAX)
            if one["state"]["compute"] == name
        ]
    people = names_of(session.home)
    session.table([shape(one, people) for one in found], {"Name": "name", "Status": "status", "Slots": "slots"})


def aliases(session: Session, client: Client) -> list[dict[str, str]]:
    found = session.listed(client, session.path("compute"), ALIASES_MAX)
    return [
        {"name": one["name"], "alias_of": one["state"]["alias_of"]} for one in found if one["state"].get("alias_of")
    ]


def check_is_alias(session: Session, client: Client, name: str) -> None:
    from treering.kernel.refusal import Refused

    found = client.get(session.path("compute", name))
    if not found["state"].get("alias_of"):
        raise Refused("compute.no_alias", f"compute {name!r} is no alias; `treering compute delete {name}` deletes it")
