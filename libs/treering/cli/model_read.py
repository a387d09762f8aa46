"""``model show`` and ``model list``."""

from __future__ import annotations

from typing import Any

import click

from treering.cli.lazy import Verb
from treering.cli.model_names import model_key, model_named, version_path
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import Shape, shape

VERSIONS = {
    "Name": "name", "Version": "version", "Type": "type", "Status": "status", "Run": "run_id",
    "Created": "creation_context.created_at", "By": "creation_context.created_by",
}  # fmt: skip
PROMPT = "mlflow.prompt.is_prompt"
MODELS = {
    "Name": "name", "Latest": "latest version", "Labels": "labels", "Status": "status",
    "Created": "creation_context.created_at",
}  # fmt: skip


@click.command("show", cls=Verb)
@model_named
@click.option("--at", metavar="POSITION|TIME", help="As it was then.")
@click.pass_obj
def show(session: Session, name: str, version: str | None, label: str | None, at: str | None) -> None:
    """Show a version, with the run, job, code, data and environment it was made by and of."""
    people = names_of(session.home)
    with session.client() as client:
        path = version_path(session, client, name, version, label)
        found = client.get(path, at=at)
        lineage = client.get(f"{path}/lineage")
    lineage["created_by"] = people.get(lineage["created_by"], lineage["created_by"])
    session.show({**shape(found, people), "lineage": lineage})


@click.command("list", cls=Verb)
@click.option("-n", "--name", help="The versions of this model; without it, every model.")
@click.option("--max-results", "-r", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--include-archived", "archived", flag_value="any")
@click.option("--archived-only", "archived", flag_value="true")
@click.pass_obj
def list_models(session: Session, name: str | None, max_results: int, archived: str | None) -> None:
    """List models, or the versions of one, the newest first."""
    people = names_of(session.home)
    with session.client() as client:
        if name:
            prefix = f"{model_key(name)}:"
            found = list(session.listed(client, session.path("model"), max_results, prefix=prefix, archived=archived))
            session.table([shape(one, people) for one in found if is_there(one)], VERSIONS)
            return
        found = list(session.listed(client, session.path("registered_model"), max_results, archived=archived))
    session.table([model_row(shape(one, people), one) for one in found if is_there(one)], MODELS)


def is_there(resource: Shape) -> bool:
    """Deleted ones and names that were given up are no longer models, though their record is kept; MLflow keeps prompts
    as models, too."""
    prompt = resource.get("labels", {}).get(PROMPT, "false").lower() == "true"
    return resource["status"] in ("active", "archived") and not prompt


def model_row(shaped: Shape, resource: Shape) -> dict[str, Any]:
    holding = resource["state"].get("holding", {})
    labels = ", ".join(f"{alias}={version}" for alias, version in sorted(holding.get("aliases", {}).items()))
    return {**shaped, "latest version": holding.get("version_last", 0) or "", "labels": labels}
