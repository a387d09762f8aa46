"""``workspace update``: its texts and tags, from options, ``--set`` or a YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from treering.cli.az_options import CLOUD, at_once, no_lists, passed_over
from treering.cli.kinds import WORKSPACE, said
from treering.cli.lazy import Verb
from treering.cli.names import one_name, sets_option
from treering.cli.notes import note
from treering.cli.session import Session


@click.command("update", cls=Verb, help="Change one workspace: its display name, description, tags or network.")
@click.argument("place", required=False, metavar="NAME")
@click.option("-n", "--name", "name", default="", help="Which; the one that is worked in when none is named.")
@click.option("-f", "--file", "file", type=click.Path(path_type=Path), help="A YAML that says what is to be other.")
@click.option("-d", "--display-name")
@click.option("--description")
@sets_option()
@no_lists
@at_once
@passed_over(
    CLOUD, "--location|-l", "--application-insights|-a", "--container-registry|-c", "--image-build-compute|-i",
    "--managed-network|-m", "--public-network-access", "--primary-user-assigned-identity", "--network-acls",
    "--system-datastores-auth-mode", "--allow-roleassignment-on-rg",
    flags=("--update-dependent-resources|-u", "--provision-network-now"),
)  # fmt: skip
@click.pass_obj
def update(
    session: Session, /, place: str | None, name: str, file: Path | None, sets: tuple[str, ...], **texts: str | None
) -> None:
    from treering.specs.changes import changed_texts

    name, body = one_name(place, name), dict[str, Any]()
    if file is not None:
        name, body = from_file(file, name)
    body |= {key: text for key, text in texts.items() if text is not None}
    if not body and not sets:
        raise click.UsageError("what is to be other? --display-name, --description, --set PATH=VALUE or --file")
    name = (name or session.workspace).removeprefix("azureml:")
    with session.client() as client:
        tags = body.get("tags", client.get(session.path("workspace", name))["state"].get("tags", {}))
        said(session, client, WORKSPACE, name, "update", {**body, **changed_texts(sets, tags, WORKSPACE.settings)})


def from_file(file: Path, name: str) -> tuple[str, dict[str, Any]]:
    from treering.specs.workspace_draft import load_workspace

    draft = load_workspace(file, ())
    for one in draft.notes:
        note(one)
    return name or draft.name, dict(draft.body)
