"""``model show`` and ``model list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from treering.cli.az_options import archived_options, no_registry, refused
from treering.cli.lazy import Verb
from treering.cli.model_names import model_key, model_named, version_path
from treering.cli.moments import MOMENT
from treering.cli.notes import first
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import MODEL, Shape, shape
from treering.kernel.arm_names import model_id
from treering.kernel.shared_limits import PAGE_MAX

if TYPE_CHECKING:
    from treering.client.http import Client

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
@click.option("--at", type=MOMENT, metavar="POSITION|TIME|AGO", help="As it was then.")
@click.pass_obj
def show(session: Session, name: str, version: str | None, label: str | None, at: str | None) -> None:
    """Show a version, with the run, job, code, data and environment it was made by and of."""
    people = names_of(session.home)
    with session.client() as client:
        path = version_path(session, client, name, version, label, at)
        found = client.get(path, at=at)
        lineage = client.get(f"{path}/lineage")
    lineage["created_by"] = people.get(lineage["created_by"], lineage["created_by"])
    if said_by := lineage.get("run", {}).get("said_by"):
        lineage["run"]["said_by"] = people.get(said_by, said_by)
    session.show({**shape(found, people), "lineage": lineage})


@click.command("list", cls=Verb)
@click.option("-n", "--name", help="The versions of this model; without it, every model.")
@click.option("--max-results", "-r", type=click.IntRange(min=1), default=100, show_default=True)
@archived_options
@click.option("--at", type=MOMENT, metavar="POSITION|TIME|AGO", help="As the list was then.")
@no_registry
@refused("a stage is MLflow's: search for it with its client", "--stage|-s")
@click.pass_obj
def list_models(session: Session, /, name: str | None, max_results: int, **filters: Any) -> None:
    """List models, or the versions of one, the newest first."""
    people = names_of(session.home)
    with session.client() as client:
        if name:
            prefix = f"{model_key(name)}:"
            every = session.listed(client, session.path("model"), max_results + 1, prefix=prefix, **filters)
            found = first(every, max_results)
            session.table([shape(one, people) for one in found if is_there(one)], VERSIONS, csv_columns=MODEL)
            return
        listed = session.listed(client, session.path("registered_model"), max_results + 1, **filters)
        models = [one for one in first(listed, max_results) if is_there(one)]
        latest = latest_of(session, client, models, filters["at"])
    session.table([model_row(shape(one, people), one, latest) for one in models], MODELS)


def latest_of(session: Session, client: Client, models: list[Shape], at: str | None) -> dict[str, int]:
    """The numbers of the latest versions, by the names of the resources."""
    found: dict[str, int] = {}
    for start in range(0, len(models), PAGE_MAX):
        keys = [one["name"] for one in models[start : start + PAGE_MAX]]
        found.update(client.post(session.path("model", "latest"), {"keys": keys, "at": at or ""})["latest"])
    return found


def is_there(resource: Shape) -> bool:
    """Deleted ones and names that were given up are no longer models, though their record is kept; MLflow keeps prompts
    as models, too."""
    prompt = resource.get("labels", {}).get(PROMPT, "false").lower() == "true"
    return resource["status"] in ("active", "archived") and not prompt


def model_row(shaped: Shape, resource: Shape, latest: dict[str, int]) -> dict[str, Any]:
    holding = resource["state"].get("holding", {})
    labels = ", ".join(f"{alias}={version}" for alias, version in sorted(holding.get("aliases", {}).items()))
    name = holding.get("name", resource["name"])
    return {
        **shaped,
        "name": name,
        "id": model_id(resource["workspace"], name),
        "latest version": str(latest.get(resource["name"], "")),
        "labels": labels,
    }
