"""The verbs every kind of resource has, made from one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from treering.cli.az_options import archived_options, at_once, no_lists, no_registry
from treering.cli.compute_state import check_there
from treering.cli.lazy import LazyGroup
from treering.cli.moments import MOMENT
from treering.cli.names import named, named_or_own, sets_option, versioned
from treering.cli.notes import first
from treering.cli.people import names_of
from treering.cli.session import Session
from treering.cli.shapes import HISTORY, shape
from treering.client.urls import tracking_uri
from treering.kernel.refusal import Refused
from treering.kernel.subjects import plural

if TYPE_CHECKING:
    from treering.client.http import Client

WORKSPACES_MAX = 10_000
LISTED_MAX = 10_000
# What az calls the types of compute, and what they are here; there is none of the others.
TYPES = {"local": "local", "nodes": "nodes", "amlcompute": "nodes", "computeinstance": "nodes"}
TYPES_ABSENT = ("kubernetes", "virtualmachine", "synapsespark")
VERSIONS_MAX = 10_000
CREATED = {"Created": "creation_context.created_at"}


@dataclass(frozen=True)
class Kind:
    """``commands`` are those people may send without a body; ``columns`` are of its list, after the name.
    ``everywhere``: its list is of all workspaces when none is said."""

    name: str
    help: str
    commands: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("status", "description")
    versions: bool = False
    updates: bool = False
    everywhere: bool = False
    settings: tuple[str, ...] = ("display_name", "description")  # what `update --set` changes beside tags


WORKSPACE = Kind(
    "workspace", "The space of names everything else lives in.", ("archive", "restore"),
    ("status", "display_name", "description", "network"), updates=True,
    settings=("display_name", "description", "network"),
)  # fmt: skip
EXPERIMENT = Kind(
    "experiment", "The names jobs are found under.", ("archive", "restore"),
    ("status", "display_name", "description"), updates=True,
)  # fmt: skip
ENVIRONMENT = Kind(
    "environment", "Environments that jobs run in.", ("archive", "restore"),
    ("version", "status", "python", "image"), versions=True, updates=True, settings=("description",),
)  # fmt: skip
COMPUTE = Kind("compute", "Where jobs may run.", (), ("status", "compute_type", "alias_of", "nodes_max", "description"))
NODE = Kind(
    "node", "The machines of a compute target.", (), ("status", "compute", "slots", "containment", "sandbox", "ports")
)


def group_of(kind: Kind) -> LazyGroup:
    """``show``, ``list`` and the commands of a kind, to which its own ``create`` is added."""
    group = LazyGroup(kind.name, help=kind.help)
    add_show(group, kind)
    add_list(group, kind)
    for command in kind.commands:
        add_command(group, kind, command)
    if kind.updates and kind is not WORKSPACE:
        add_update(group, kind)
    return group


def with_version(kind: Kind) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``--version`` and ``--label`` for a kind that has versions; the function gets them in any case."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        if kind.versions:
            label = click.option("-l", "--label", type=click.Choice(["latest"]), help="The version created last.")
            return named(click.option("-v", "--version", help="Or NAME:VERSION.")(label(one_of(function))))
        return named_or_own(function) if kind.name == "workspace" else named(function)

    return decorate


def one_of(function: Callable[..., None]) -> Callable[..., None]:
    """The function with a version or a label; a usage error for both, of which one would be ignored."""

    @wraps(function)
    def with_one(*arguments: Any, name: str, version: str | None, label: str | None, **options: Any) -> None:
        if label and (version or ":" in name):
            raise click.UsageError(f"--label {label} and version {version or name.partition(':')[2]}: give one of them")
        function(*arguments, name=name, version=version, label=label, **options)

    return with_one


def add_show(group: LazyGroup, kind: Kind) -> None:
    @group.command("show", help=f"Show one {kind.name}, now or as it was.")
    @with_version(kind)
    @click.option("--at", type=MOMENT, metavar="POSITION|TIME|AGO", help="As it was then.")
    @no_registry
    @click.pass_obj
    def show(session: Session, /, name: str, at: str | None, version: str | None = None, **_: Any) -> None:
        with session.client() as client:
            found = client.get(session.path(kind.name, key_of(session, client, kind, name, version)), at=at)
            if kind is COMPUTE and not at:
                check_there(found)
        session.show(shaped(session, client, found))


def key_of(session: Session, client: Client, kind: Kind, name: str, version: str | None) -> str:
    """The key of a resource; of one with versions, and none said, the version created last."""
    key = versioned(name, version) if kind.versions else name
    if not kind.versions or ":" in key:
        return key
    for found in client.get(session.path(kind.name), prefix=f"{name}:", limit=1)["items"]:
        return str(found["name"])
    raise Refused(f"{kind.name}.absent", f"there is no {kind.name} {name!r}")


def add_list(group: LazyGroup, kind: Kind) -> None:
    @group.command("list", help=f"List them, the newest first ({kind.name}s).")
    @click.option("-n", "--name", "prefix", help="Only names that begin so.")
    @click.option("--max-results", "-r", type=click.IntRange(min=1), default=100, show_default=True)
    @archived_options
    @click.option("--at", type=MOMENT, metavar="POSITION|TIME|AGO", help="As the list was then.")
    @no_registry
    @of_type(kind)
    @click.pass_obj
    def list_all(
        session: Session,
        prefix: str | None,
        max_results: int,
        archived: str | None,
        at: str | None,
        compute_type: str | None = None,
    ) -> None:
        people = names_of(session.home)
        with session.client() as client:
            path = session.path(kind.name)
            if kind.name == "workspace":  # they come in one answer, archived ones too
                there = (one for one in client.get(path, at=at)["items"] if kept(one, prefix, archived))
                found = first(there, max_results)
            else:
                asked: dict[str, Any] = {"prefix": prefix, "archived": archived, "at": at}
                every = listed_of(session, client, kind, max_results + 1 if not compute_type else LISTED_MAX, asked)
                found = first((one for one in every if is_of_type(one, compute_type)), max_results)
        headings = {name.replace("_", " ").capitalize(): name for name in ("name", *kind.columns)}
        rows = [{**placed(kind, one), **shaped(session, client, one, people)} for one in found]
        place = ("workspace",) if kind.everywhere else ()
        columns = dict.fromkeys((*place, "name", "type", "status", *kind.columns, "description", "tags", *HISTORY))
        session.table(rows, {**headings, **CREATED}, csv_columns=[*columns])


def of_type(kind: Kind) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``--type`` of compute targets; other kinds have none."""
    if kind is not COMPUTE:
        return lambda function: function
    kinds = click.Choice([*TYPES, *TYPES_ABSENT], case_sensitive=False)
    return click.option("-t", "--type", "compute_type", type=kinds, help="Only targets of this type.")


def is_of_type(resource: dict[str, Any], compute_type: str | None) -> bool:
    """Of nodes are all that Azure ML calls a cluster or an instance. An alias is of no type."""
    state = resource["state"]
    if compute_type is None:
        return True
    return not state.get("alias_of") and state.get("compute_type", "nodes") == TYPES.get(compute_type.lower())


def listed_of(
    session: Session, client: Client, kind: Kind, items_max: int, asked: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """The resources of the session's workspace; of a kind that is listed everywhere, of all when none was said."""
    if not kind.everywhere or session.workspace_said:
        yield from session.listed(client, session.path(kind.name), items_max, **asked)
        return
    for workspace in session.listed(client, session.path("workspace"), WORKSPACES_MAX, archived="any"):
        yield from session.listed(
            client, session.path("workspace", workspace["name"], plural(kind.name)), items_max, **asked
        )


def placed(kind: Kind, resource: dict[str, Any]) -> dict[str, Any]:
    return {"workspace": resource["workspace"]} if kind.everywhere else {}


def kept(resource: dict[str, Any], prefix: str | None, archived: str | None) -> bool:
    hidden = bool(resource.get("archived"))
    return resource["name"].startswith(prefix or "") and (archived == "any" or hidden == (archived == "true"))


def add_command(group: LazyGroup, kind: Kind, command: str) -> None:
    @group.command(command, help=f"{command.capitalize()} one {kind.name}.")
    @(with_version(kind) if kind.name != "workspace" else named)
    @at_once
    @no_registry
    @click.pass_obj
    def send(session: Session, name: str, version: str | None = None, label: str | None = None) -> None:
        with session.client() as client:
            if kind.versions and not (version or label or ":" in name):
                all_versions(session, client, kind, name, command)
            else:
                said(session, client, kind, key_of(session, client, kind, name, version), command, {})


def all_versions(session: Session, client: Client, kind: Kind, name: str, command: str) -> None:
    """As with az: who names no version means them all."""
    path, people = session.path(kind.name), names_of(session.home)
    keys = [one["name"] for one in session.listed(client, path, VERSIONS_MAX, prefix=f"{name}:", archived="any")]
    if not keys:
        raise Refused(f"{kind.name}.absent", f"there is no {kind.name} {name!r}")
    position = max(client.post(session.path(kind.name, key, command), {})["position"] for key in keys)
    found = [client.get(session.path(kind.name, key), after=position) for key in keys]
    session.show([shape(one, people) for one in found])


def add_update(group: LazyGroup, kind: Kind) -> None:
    @group.command("update", help=f"Change one {kind.name}: {', '.join(kind.settings)}, tags.NAME.")
    @with_version(kind)
    @sets_option(required=True)
    @no_lists
    @no_registry
    @at_once
    @click.pass_obj
    def update(
        session: Session, name: str, sets: tuple[str, ...], version: str | None = None, label: str | None = None
    ) -> None:
        from treering.specs.changes import changed_texts

        with session.client() as client:
            key = key_of(session, client, kind, name, version)
            tags = client.get(session.path(kind.name, key))["state"].get("tags", {})
            said(session, client, kind, key, "update", {**changed_texts(sets, tags, kind.settings)})


def said(session: Session, client: Client, kind: Kind, key: str, command: str, body: dict[str, Any]) -> None:
    """Send a command and show the resource with its effect."""
    written = client.post(session.path(kind.name, key, command), body)
    found = client.get(session.path(kind.name, key), after=written["position"])
    session.show(shaped(session, client, found))


def shaped(
    session: Session, client: Client, found: dict[str, Any], people: dict[str, str] | None = None
) -> dict[str, Any]:
    """The resource as az shows it; a workspace with the address that MLflow's clients need."""
    shown = shape(found, names_of(session.home) if people is None else people)
    if found["kind"] == WORKSPACE.name:
        shown["mlflow_tracking_uri"] = tracking_uri(client.connections.url, found["name"])
    return shown
