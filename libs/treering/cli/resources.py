"""``treering workspace``, ``experiment`` and ``environment``: how each is created."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from treering.cli.az_options import CLOUD, at_once, no_registry, passed_over
from treering.cli.kinds import ENVIRONMENT, EXPERIMENT, WORKSPACE, group_of, said
from treering.cli.names import named, one_name, pairs, sets_option
from treering.cli.notes import note
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import shape
from treering.cli.workspace_update import update

workspace = group_of(WORKSPACE)
workspace.add_command(update)
experiment = group_of(EXPERIMENT)
environment = group_of(ENVIRONMENT)


@workspace.command("create", help="Create a workspace, from its YAML or from options.")
@click.argument("place", required=False, metavar="NAME")
@click.option("-n", "--name", "name", default="", help="Stands before the name in the YAML.")
@click.option("-f", "--file", "file", type=click.Path(path_type=Path), help="The YAML.")
@click.option("--display-name", "-d", default="")
@click.option("--description", default="")
@click.option("--tags", "tags", multiple=True, metavar="KEY=VALUE")
@sets_option()
@passed_over(
    CLOUD, "--location|-l", "--storage-account", "--key-vault", "--application-insights|-a", "--container-registry",
    "--image-build-compute|-i", "--public-network-access", "--managed-network|-m", "--primary-user-assigned-identity",
    "--system-datastores-auth-mode", "--kind|-k", "--hub-id", "--default-resource-group", "--network-acls",
    "--enable-data-isolation", "--allow-roleassignment-on-rg", "--provision-network-now",
    flags=("--no-wait", "--update-dependent-resources|-u"),
)  # fmt: skip
@click.pass_obj
def create_workspace(
    session: Session, /, place: str | None, name: str, file: Path | None, sets: tuple[str, ...], **said_: Any
) -> None:
    name, tags = one_name(place, name) or own_name(session), pairs(said_["tags"], "--tags")
    texts = {"display_name": said_["display_name"], "description": said_["description"]}
    body: dict[str, Any] = {**texts, "tags": tags}
    if file is not None:
        from treering.specs.workspace_draft import load_workspace

        draft = load_workspace(file, sets, {**texts, "name": name}, tags)
        name, body = draft.name, draft.body
        for one in draft.notes:
            note(one)
    elif sets:
        raise click.UsageError("--set changes the YAML that --file names")
    if not name:
        raise click.UsageError("a name is missing: NAME, -n NAME, -w NAME or --file")
    with session.client() as client:
        said(session, client, WORKSPACE, name, "create", body)


def own_name(session: Session) -> str:
    """``-w NAME`` is the name of a new workspace, as with az."""
    return session.workspace if session.workspace_said else ""


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


@environment.command("create", help="Create a version of an environment, from its YAML or from options.")
@click.option("-f", "--file", "file", type=click.Path(path_type=Path), help="The YAML.")
@click.option("-n", "--name", default="", help="Stands before the name in the YAML.")
@click.option("-v", "--version", default="", help="The same; without any, it is the next number.")
@click.option("-i", "--image", default="", help="An image that is known here, such as python:3.11.")
@click.option("-c", "--conda-file", type=click.Path(path_type=Path), help="What is to be installed.")
@click.option("-b", "--build-context", type=click.Path(path_type=Path), help="The folder of a Dockerfile.")
@click.option("--dockerfile-path", "-d", default="", help="Within the build context; default: Dockerfile.")
@click.option("--description", default="")
@click.option("--tags", "tags", multiple=True, metavar="KEY=VALUE")
@sets_option()
@no_registry
@at_once
@passed_over("jobs run on Linux here", "--os-type")
@passed_over("the installation keeps the files itself", "--datastore")
@click.pass_obj
def create_environment(
    session: Session, /, file: Path | None, name: str, version: str, sets: tuple[str, ...], **said_: Any
) -> None:
    from treering.client.environments import load_environment

    if file is None and not name:
        raise click.UsageError("either --file, or --name with --image, --conda-file or --build-context")
    if said_["dockerfile_path"] and not said_["build_context"]:
        raise click.UsageError("--dockerfile-path is within a --build-context")
    options = {"name": name, "version": version, "image": said_["image"], "description": said_["description"]}
    if said_["conda_file"]:
        options["conda_file"] = str(said_["conda_file"].absolute())
    build = {"path": said_["build_context"], "dockerfile_path": said_["dockerfile_path"]}
    sets = (*sets, *(f"build.{key}='{value}'" for key, value in build.items() if value))
    notes: list[str] = []
    body = load_environment(file, sets, options, pairs(said_["tags"], "--tags"), notes)
    for one in notes:
        note(one)
    with session.client() as client:
        written = client.post(session.path("environment"), body)
        found = client.get(session.path("environment", written["name"]), after=written["position"])
    session.show(shape(found, names_of(session.home)))
