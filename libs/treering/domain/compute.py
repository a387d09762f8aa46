"""A compute target: where jobs may run. Nodes join it; ``local`` is this machine. One that is an alias has no nodes:
jobs that name it run on the target it stands for.

(absent) --created, aliased--> active --deleted--> deleted --created, aliased--> active
alias --aliased (to another target)--> alias
"""

from __future__ import annotations

from typing import Annotated, Literal, assert_never

import msgspec
from msgspec import Struct

from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import Name, Small, Tags, Text, rule
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name

NODES_MAX = 10_000
Nodes = Annotated[Small, rule(minimum=1, maximum=NODES_MAX)]


class CreateCompute(Command, frozen=True, tag="create"):
    compute_type: Literal["local", "nodes"] = "nodes"
    description: Text = ""
    nodes_max: Nodes = 100
    tags: Tags = {}


class AliasCompute(Command, frozen=True, tag="alias"):
    """The gateway has looked whether ``target`` is there, and is no alias itself."""

    target: Name


class DeleteCompute(Command, frozen=True, tag="delete"):
    pass


ComputeCommand = CreateCompute | AliasCompute | DeleteCompute


class ComputeCreated(Event, frozen=True, tag="compute.created"):
    compute_type: Literal["local", "nodes"] = "nodes"
    description: Text = ""
    nodes_max: Nodes = 100
    tags: Tags = {}


class ComputeAliased(Event, frozen=True, tag="compute.aliased"):
    target: Name


class ComputeDeleted(Event, frozen=True, tag="compute.deleted"):
    pass


ComputeEvent = ComputeCreated | ComputeAliased | ComputeDeleted


class Compute(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "active", "deleted"] = "absent"
    compute_type: Literal["local", "nodes"] = "nodes"
    description: str = ""
    nodes_max: int = 100
    tags: dict[str, str] = {}
    alias_of: str = ""


def evolve(compute: Compute, event: ComputeEvent) -> Compute:
    match event:
        case ComputeCreated():
            return Compute("active", event.compute_type, event.description, event.nodes_max, event.tags)
        case ComputeAliased():
            return Compute("active", alias_of=event.target)
        case ComputeDeleted():
            return msgspec.structs.replace(compute, status="deleted")
        case _:
            assert_never(event)


def decide(compute: Compute, command: ComputeCommand) -> list[ComputeEvent]:
    match command:
        case CreateCompute():
            return create(compute, command)
        case AliasCompute():
            return alias(compute, command)
        case DeleteCompute():
            if compute.status == "absent":
                raise Refused("compute.absent", "there is no compute target of this name")
            return [ComputeDeleted()] if compute.status == "active" else []
        case _:
            assert_never(command)


def create(compute: Compute, command: CreateCompute) -> list[ComputeEvent]:
    if not 1 <= command.nodes_max <= NODES_MAX:
        raise Refused("compute.nodes_max", f"nodes_max is {command.nodes_max}; it must lie in 1..{NODES_MAX}")
    event = ComputeCreated(command.compute_type, command.description, command.nodes_max, command.tags)
    if compute.status != "active":
        return [event]
    if evolve(compute, event) == compute:
        return []
    as_it_is = f"as an alias of {compute.alias_of!r}" if compute.alias_of else "with other settings"
    raise Refused("compute.exists", f"a compute target of this name exists already {as_it_is}; delete it first")


def alias(compute: Compute, command: AliasCompute) -> list[ComputeEvent]:
    checked_name(command.target, "target")
    if compute.status == "active" and not compute.alias_of:
        why = "there is a compute target of this name, which cannot be an alias as well"
        raise Refused("compute.exists", f"{why}; delete it first")
    if compute.status == "active" and compute.alias_of == command.target:
        return []
    return [ComputeAliased(command.target)]


def summary(compute: Compute) -> Summary:
    return Summary(compute.status, labels=compute.tags, archived=compute.status == "deleted")


COMPUTE: Aggregate[ComputeCommand, ComputeEvent, Compute] = Aggregate(
    "compute",
    state=Compute,
    commands=ComputeCommand,
    events=ComputeEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
)
