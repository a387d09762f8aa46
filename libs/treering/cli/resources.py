"""``treering workspace``, ``experiment`` and ``environment``: how each is created."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from treering.cli.kinds import ENVIRONMENT, EXPERIMENT, WORKSPACE, group_of, said
from treering.cli.names import named, pairs, sets_option
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import shape
from treering.cli.terminal import put

workspace = group_of(WORKSPACE)
experiment = group_of(EXPERIMENT)
environment = group_of(ENVIRONMENT)


@workspace.command("create", help="Create a workspace.")
@named
@click.option("--display-name", default="")
@click.option("--description", default="")
@click.option("--tags", "tags", multiple=True, metavar="KEY=VALUE")
@click.pass_obj
def create_workspace(session: Session, name: str, display_name: str, description: str, tags: tuple[str, ...]) -> None:
    body = {"display_name": display_name, "description": description, "tags": pairs(tags, "--tags")}
    with session.client() as client:
        said(session, client, WORKSPACE, name, "create", body)


@experiment.command("create", help="Create an experiment; the first job of one creates it too.")
@named
@click.option("--display-name", default="")
@click.option("--description", default="")
@click.option("--tags", "tags", multiple=True, metavar="KEY=VALUE")
@click.pass_obj
def create_experiment(session: Session, name: str, display_name: str, description: str, tags: tuple[str, ...]) -> None:
    body = {"display_name": display_name, "description": description, "tags": pairs(tags, "--tags")}
    with session.client() as client:
        said(session, client, EXPERIMENT, name, "create", body)


@environment.command("create", help="Create a version of an environment from its YAML.")
@click.option("-f", "--file", "file", required=True, type=click.Path(path_type=Path), help="The YAML.")
@click.option("-n", "--name", help="Stands before the name in the YAML.")
@click.option("-v", "--version", help="The same; without any, it is the next number.")
@sets_option()
@click.pass_obj
def create_environment(
    session: Session, file: Path, name: str | None, version: str | None, sets: tuple[str, ...]
) -> None:
    from treering.client.environments import load_environment

    notes: list[str] = []
    body = load_environment(file, sets, name or "", version or "", notes)
    for note in notes:
        put(f"note: {note}", file=sys.stderr)
    with session.client() as client:
        written = client.post(session.path("environment"), body)
        found = client.get(session.path("environment", written["name"]), after=written["position"])
    session.show(shape(found, names_of(session.home)))
