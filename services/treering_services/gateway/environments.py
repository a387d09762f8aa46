"""Environments by name: the next version of one, and the version a reference means."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from treering.adapters.package_indexes import check_listed
from treering.adapters.sqlite_view import Database
from treering.domain.environment import ENVIRONMENT, CreateEnvironment, Environment
from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.bounds import ITEMS_MAX, Name, Tags, Text
from treering.kernel.log import commit_id
from treering.kernel.refusal import Refused
from treering.kernel.resource_name import ResourceName
from treering.kernel.shared_limits import PAGE_MAX
from treering.kernel.subjects import Address, checked_name
from treering.specs.images import FAMILIES, curated, known
from treering.specs.references import parse_reference
from treering.views.states import Resource, load, newest
from treering_services.gateway.call import Call
from treering_services.gateway.commands import command_reply
from treering_services.gateway.core import Gateway, checked_address
from treering_services.gateway.references import elsewhere
from treering_services.gateway.sealing import create_environment as create_sealed
from treering_services.gateway.sealing import opened

ATTEMPTS_MAX = 8
ENVIRONMENTS = "environments"  # as ARM ids have it
SecretNames = Annotated[tuple[Name, ...], Meta(max_length=ITEMS_MAX)]


class NewEnvironment(Struct, frozen=True, forbid_unknown_fields=True):
    """Without a version it gets the next whole number. The values of the variables that ``secret_variables`` names, and
    of those whose names say that they are secret, are not in the record."""

    name: ResourceName
    spec: EnvironmentSpec
    version: ResourceName = ""
    description: Text = ""
    tags: Tags = {}
    secret_variables: SecretNames = ()


class Known(NamedTuple):
    """An environment that is registered, with the names of its secret variables and what its job is to be told."""

    spec: EnvironmentSpec
    secret_variables: frozenset[str]
    notes: tuple[str, ...] = ()


async def create_environment(call: Call) -> Response:
    new = await call.json(NewEnvironment)
    workspace, name = call.workspace, checked_name(new.name)
    check_listed(new.spec.indexes, call.gateway.indexes)
    command = CreateEnvironment(new.spec, new.description, new.tags)
    await call.gateway.require_workspace(workspace)
    command_id, declared = call.command_id(), new.secret_variables
    if new.version:
        address = checked_address(workspace, ENVIRONMENT.kind, f"{name}:{new.version}")
        return command_reply(await create_sealed(call, address, command, command_id, declared), address.key)
    await call.gateway.catch_up()  # or the number would be one that is taken
    for _ in range(ATTEMPTS_MAX):
        key = await call.gateway.reader.read(lambda db: next_key(db, workspace, name, command_id))
        address = Address(workspace, ENVIRONMENT.kind, key)
        written = await create_version(call, address, command, command_id, declared)
        if written is not None:
            return written
    raise Refused("environment.busy", f"others created versions of {name!r} each time; try again, or name a version")


async def create_version(
    call: Call, address: Address, command: CreateEnvironment, command_id: str, declared: Collection[str]
) -> Response | None:
    """None when the number was taken meanwhile."""
    try:
        written = await create_sealed(call, address, command, command_id, declared)
    except Refused as refused:
        if refused.code != "environment.exists":
            raise
        await call.gateway.catch_up()
        return None
    return command_reply(written, address.key)


def next_key(db: Database, workspace: str, name: str, command_id: str) -> str:
    """The version after the highest number; of a request that is said again, the version it made before."""
    highest = 0
    for found in versions(db, workspace, name, archived=None):
        address = Address(workspace, ENVIRONMENT.kind, found.name)
        row = load(db, address)
        if row and any(id == commit_id(address.subject, command_id) for id, _, _ in row[0].known.recent):
            return found.name
        version = found.name.partition(":")[2]
        if version.isascii() and version.isdecimal():
            highest = max(highest, int(version))
    return f"{name}:{highest + 1}"


def versions(db: Database, workspace: str, name: str, *, archived: bool | None = False) -> list[Resource]:
    """The newest versions of an environment, most recently created first; at most ``PAGE_MAX``."""
    return newest(db, workspace, ENVIRONMENT.kind, prefix=f"{name}:", archived=archived, limit=PAGE_MAX)


async def resolve_environment(gateway: Gateway, workspace: str, text: str) -> Known:
    """What ``azureml:NAME:VERSION``, ``azureml:NAME@latest`` or ``azureml:NAME@LABEL`` stands for now.

    A label is the name of a tag; the newest version that has it is meant. ``azureml:AzureML-NAME`` stands for Azure's
    curated environment unless the workspace has one of that name, and an image or a reference into a registry for what
    the command line reads it as. Raises ``Refused``: ``reference.invalid``, ``environment.reference``,
    ``environment.image_unknown`` or ``environment.absent``.
    """
    reference = parse_reference(text)
    if reference.form in ("registry", "local"):
        return Known(known(text), frozenset())
    if reference.form not in ("asset", "arm") or reference.kind not in ("", ENVIRONMENTS):
        raise Refused("environment.reference", f"{text[:200]!r} is not in this workspace; write azureml:NAME:VERSION")
    notes = await elsewhere(gateway, workspace, reference)
    name = checked_name(reference.name)
    if reference.version:
        found = await gateway.find(checked_address(workspace, ENVIRONMENT.kind, f"{name}:{reference.version}"))
    else:
        await gateway.catch_up()
        label = "" if reference.label in ("", "latest") else reference.label
        labelled = [one for one in await by_label(gateway, workspace, name) if not label or label in one.labels]
        found = labelled[0] if labelled else None
    if found is None:
        if standing_for := curated(text):
            return Known(standing_for, frozenset(), notes)
        advice = "create it, or name a curated one: azureml://registries/azureml/environments/NAME/labels/latest"
        detail = f"there is no environment {text!r} in workspace {workspace!r}; {advice}, NAME being one of {FAMILIES}"
        raise Refused("environment.absent", detail)
    state: Environment = ENVIRONMENT.states.decode(found.state)
    spec = await opened(gateway, Address(workspace, ENVIRONMENT.kind, found.name), state.spec)
    return Known(
        msgspec.structs.replace(spec, source=f"azureml:{found.name}"),
        frozenset(state.spec.sealed.macs if state.spec.sealed else ()),
        notes,
    )


async def by_label(gateway: Gateway, workspace: str, name: str) -> list[Resource]:
    return await gateway.reader.read(lambda db: versions(db, workspace, name))
