"""``model update``, ``label``, ``archive``, ``restore`` and ``delete``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from treering.cli.az_options import no_lists, refused
from treering.cli.lazy import Verb
from treering.cli.model_names import model_key, model_named, split, version_path
from treering.cli.names import named, sets_option
from treering.cli.notes import note
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import shape

if TYPE_CHECKING:
    from treering.client.http import Client


@click.command("update", cls=Verb)
@model_named
@sets_option(required=True)
@no_lists
@refused("a stage is MLflow's: set it with its client", "--stage")
@click.pass_obj
def update(session: Session, name: str, version: str | None, label: str | None, sets: tuple[str, ...]) -> None:
    """Change a version's description or tags; an empty tag is removed."""
    from treering.specs.changes import changed_texts

    with session.client() as client:
        path = version_path(session, client, name, version, label)
        tags = client.get(path)["state"].get("tags", {})
        written: dict[str, Any] = {}
        for command, body in commands_of(changed_texts(sets, tags, ("description",)), tags):
            written = client.post(f"{path}/{command}", body)
        shown(session, client, path, written)


def commands_of(asked: dict[str, Any], tags: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What has to be sent for a version to be as ``asked``."""
    if "description" in asked:
        yield "update", {"description": asked["description"]}
    if "tags" in asked:
        yield from (("untag", {"key": name}) for name in tags.keys() - asked["tags"].keys())
        yield "tag", {"tags": asked["tags"]}  # also of none: a command is needed to know where the log is


@click.command("label", cls=Verb)
@named
@click.option("-v", "--version", help="Or NAME:VERSION.")
@click.option("-l", "--label", required=True, help="A name for the version; other versions of the model lose it.")
@click.pass_obj
def label(session: Session, name: str, version: str | None, label: str) -> None:
    """Point a label (MLflow calls it alias) at a version."""
    bare, number, _ = split(name, version, None)
    with session.client() as client:
        found = version_path(session, client, bare, number or None, None).rpartition(":")[2]
        body = {"name": bare, "alias": label, "version": found}
        client.post("/api/2.0/mlflow/registered-models/alias", body)
        found = client.get(f"{session.path('registered_model', model_key(bare))}/labels/{label}")
    session.show(shape(found, names_of(session.home)))


@click.command("archive", cls=Verb)
@model_named
@click.pass_obj
def archive(session: Session, name: str, version: str | None, label: str | None) -> None:
    """Hide a version from lists or, when none is named, the whole model; nothing of it is lost."""
    sent(session, name, version, label, "archive")


@click.command("restore", cls=Verb)
@model_named
@click.pass_obj
def restore(session: Session, name: str, version: str | None, label: str | None) -> None:
    """Show a version or a model again, whether it was archived or deleted."""
    sent(session, name, version, label, "restore")


@click.command("delete", cls=Verb)
@model_named
@click.option("-y", "--yes", is_flag=True, hidden=True, expose_value=False)  # it is not asked: restore undoes it
@click.pass_obj
def delete(session: Session, name: str, version: str | None, label: str | None) -> None:
    """Delete a version or, when none is named, the model with all its versions; it can be restored."""
    sent(session, name, version, label, "delete")
    which = f" --label {label}" if label else f" -v {version}" if version else ""
    note(f"`treering model restore -n {name}{which}` shows it again")


def sent(session: Session, name: str, version: str | None, label: str | None, command: str) -> None:
    bare, number, word = split(name, version, label)
    with session.client() as client:
        if number or word:
            path = version_path(session, client, name, version, label)
        else:
            path = session.path("registered_model", model_key(bare))
        shown(session, client, path, client.post(f"{path}/{command}", {}))


def shown(session: Session, client: Client, path: str, written: dict[str, Any]) -> None:
    found = client.get(path, after=written["position"])
    session.show(shape(found, names_of(session.home)))
