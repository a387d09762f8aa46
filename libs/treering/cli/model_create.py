"""``model create``: from a YAML, or from a name and a path."""

from __future__ import annotations

from pathlib import Path

import click

from treering.cli.az_options import at_once, no_registry, passed_over
from treering.cli.lazy import Verb
from treering.cli.names import pairs, sets_option
from treering.cli.notes import note
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import shape

TYPES = ("custom_model", "mlflow_model", "triton_model")


@click.command("create", cls=Verb)
@click.option("-f", "--file", "file", type=click.Path(path_type=Path), help="The YAML.")
@click.option("-n", "--name", default="", help="Stands before the name in the YAML.")
@click.option("-v", "--version", default="", help="The same; without any, it is the next number.")
@click.option("-p", "--path", "path", default="", help="A file or folder, or azureml://jobs/JOB/outputs/NAME.")
@click.option("-t", "--type", "type_", type=click.Choice(TYPES), help="Default: custom_model.")
@click.option("-d", "--description", default="")
@click.option("--tags", "tags", multiple=True, metavar="KEY=VALUE")
@sets_option()
@click.option("--allow-failed", is_flag=True, help="Also from a job that did not complete.")
@no_registry
@at_once
@passed_over("a stage is MLflow's: set it with its client", "--stage|-s")
@passed_over("the installation keeps the files itself", "--datastore")
@click.pass_obj
def create(
    session: Session,
    file: Path | None,
    name: str,
    version: str,
    path: str,
    type_: str | None,
    description: str,
    tags: tuple[str, ...],
    sets: tuple[str, ...],
    allow_failed: bool,
) -> None:
    """Register a version of a model, from files or a job's output."""
    from treering.client.models import create_model
    from treering.specs.model_draft import load_model

    if file is None and not (name and path):
        raise click.UsageError("either --file, or --name and --path")
    options = {"name": name, "version": version, "path": path, "type": type_ or "", "description": description}
    draft = load_model(file, sets, options, pairs(tags, "--tags"))
    with session.client() as client:
        written = create_model(client, session.path("model"), draft, allow_failed)
        for one in (*draft.notes, *written.get("notes", ())):
            note(one)
        found = client.get(session.path("model", written["name"]), after=written["position"])
    session.show(shape(found, names_of(session.home)))
