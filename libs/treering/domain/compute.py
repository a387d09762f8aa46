"""A compute target: where jobs may run. Nodes join it; ``local`` is this machine.

(absent) --created--> active --deleted--> deleted --created--> active
"""

from __future__ import annotations

from typing import Annotated, Literal, assert_never

import msgspec
from msgspec import Struct

from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import Small, Tags, Text, rule
from treering.kernel.refusal import Refused

NODES_MAX = 10_000
Nodes = Annotated[Small, rule(minimum=1, maximum=NODES_MAX)]


class CreateCompute(Command, frozen=True, tag="create"):
    compute_type: Literal["local", "nodes"] = "nodes"
    description: Text = ""
    nodes_max: Nodes = 100
    tags: Tags = {}


class DeleteCompute(Command, frozen=True, tag="delete"):
    pass


ComputeCommand = CreateCompute | DeleteCompute


class ComputeCreated(Event, frozen=True, tag="compute.created"):
    compute_type: Literal["local", "nodes"] = "nodes"
    description: Text = ""
    nodes_max: Nodes = 100
    tags: Tags = {}


class ComputeDeleted(Event, frozen=True, tag="compute.deleted"):
    pass


ComputeEvent = ComputeCreated | ComputeDeleted


class Compute(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "active", "deleted"] = "absent"
    compute_type: Literal["local", "nodes"] = "nodes"
    description: str = ""
    nodes_max: int = 100
    tags: dict[str, str] = {}


def evolve(compute: Compute, event: ComputeEvent) -> Compute:
    match event:
        case ComputeCreated():
            return Compute("active", event.compute_type, event.description, event.nodes_max, event.tags)
        case ComputeDeleted():
            return msgspec.structs.replace(compute, status="deleted")
        case _:
            assert_never(event)


def decide(compute: Compute, command: ComputeCommand) -> list[ComputeEvent]:
    match command:
        case CreateCompute():
            return create(compute, command)
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
    raise Refused("compute.exists", "a compute target of this name exists already with other settings; delete it first")


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
