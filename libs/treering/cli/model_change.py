"""``model update``, ``label``, ``archive``, ``restore`` and ``delete``."""

from __future__ import annotations

from typing import Any

import click

from treering.cli.lazy import Verb
from treering.cli.model_names import model_key, model_named, split, version_path
from treering.cli.names import named, pairs
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import shape
from treering.client.http import Client


@click.command("update", cls=Verb)
@model_named
@click.option("--set", "sets", multiple=True, required=True, metavar="PATH=VALUE", help="description or tags.NAME.")
@click.pass_obj
def update(session: Session, name: str, version: str | None, label: str | None, sets: tuple[str, ...]) -> None:
    """Change a version's description or tags; an empty tag is removed."""
    with session.client() as client:
        path = version_path(session, client, name, version, label)
        written: dict[str, Any] = {}
        for key, value in pairs(sets, "--set").items():
            command, body = change_of(key, value)
            written = client.post(f"{path}/{command}", body)
        shown(session, client, path, written)


def change_of(key: str, value: str) -> tuple[str, dict[str, Any]]:
    if key == "description":
        return "update", {"description": value}
    tag = key.removeprefix("tags.")
    if tag == key or not tag:
        raise click.UsageError(f"--set {key}: only description and tags.NAME can be changed")
    return ("tag", {"tags": {tag: value}}) if value else ("untag", {"key": tag})


@click.command("label", cls=Verb)
@named
@click.option("-v", "--version", help="Or NAME:VERSION.")
@click.option("-l", "--label", required=True, help="A name for the version; other versions of the model lose it.")
@click.pass_obj
def label(session: Session, name: str, version: str | None, label: str) -> None:
    """Point a label (MLflow calls it alias) at a version."""
    bare, number, _ = split(name, version, None)
    with session.client() as client:
        body = {"name": bare, "alias": label, "version": number or latest(session, client, bare)}
        client.post("/api/2.0/mlflow/registered-models/alias", body)
        found = client.get(f"{session.path('registered_model', model_key(bare))}/labels/{label}")
    session.show(shape(found, names_of(session.home)))


def latest(session: Session, client: Client, name: str) -> str:
    return version_path(session, client, name, None, None).rpartition(":")[2]


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
@click.option("-y", "--yes", is_flag=True, hidden=True)
@click.pass_obj
def delete(session: Session, name: str, version: str | None, label: str | None, yes: bool) -> None:
    """Delete a version or, when none is named, the model with all its versions; it can be restored."""
    sent(session, name, version, label, "delete")


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
