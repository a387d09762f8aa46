"""A workspace: the space of names that every other resource lives in.

(absent) --created--> active --archived--> archived --restored--> active
"""

from __future__ import annotations

from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from treering.domain.artifact_messages import (
    ArtifactDeleted,
    ArtifactLogged,
    DeleteArtifact,
    LastArtifact,
    LogArtifact,
    checked_deletion,
    checked_log,
    said,
)
from treering.domain.job_spec import Network
from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import Tags, Text, Title
from treering.kernel.refusal import Refused


class CreateWorkspace(Command, frozen=True, tag="create"):
    display_name: Title = ""
    description: Text = ""
    tags: Tags = {}
    network: Network = "full"  # "none": of every job in it


class UpdateWorkspace(Command, frozen=True, tag="update"):
    display_name: Title | None = None
    description: Text | None = None
    tags: Tags | None = None
    network: Network | None = None


class ArchiveWorkspace(Command, frozen=True, tag="archive"):
    pass


class RestoreWorkspace(Command, frozen=True, tag="restore"):
    pass


WorkspaceCommand = (
    CreateWorkspace | UpdateWorkspace | ArchiveWorkspace | RestoreWorkspace | LogArtifact | DeleteArtifact
)


class WorkspaceCreated(Event, frozen=True, tag="workspace.created"):
    display_name: Title = ""
    description: Text = ""
    tags: Tags = {}
    network: Network = "full"


class WorkspaceUpdated(Event, frozen=True, tag="workspace.updated"):
    display_name: Title | None = None
    description: Text | None = None
    tags: Tags | None = None
    network: Network | None = None


class WorkspaceArchived(Event, frozen=True, tag="workspace.archived"):
    pass


class WorkspaceRestored(Event, frozen=True, tag="workspace.restored"):
    pass


class WorkspaceArtifactLogged(ArtifactLogged, frozen=True, tag="workspace.artifact_logged"):
    """An artifact that belongs to no run and no model."""


class WorkspaceArtifactDeleted(ArtifactDeleted, frozen=True, tag="workspace.artifact_deleted"):
    pass


WorkspaceEvent = (
    WorkspaceCreated
    | WorkspaceUpdated
    | WorkspaceArchived
    | WorkspaceRestored
    | WorkspaceArtifactLogged
    | WorkspaceArtifactDeleted
)


class Workspace(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "active", "archived"] = "absent"
    display_name: str = ""
    description: str = ""
    tags: dict[str, str] = {}
    artifact: LastArtifact | None = None
    network: Network = "full"


def evolve(workspace: Workspace, event: WorkspaceEvent) -> Workspace:
    match event:
        case WorkspaceCreated():
            return Workspace("active", event.display_name, event.description, event.tags, network=event.network)
        case WorkspaceUpdated():
            new = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not None}
            return msgspec.structs.replace(workspace, **new)
        case WorkspaceArchived():
            return msgspec.structs.replace(workspace, status="archived")
        case WorkspaceRestored():
            return msgspec.structs.replace(workspace, status="active")
        case WorkspaceArtifactLogged() | WorkspaceArtifactDeleted():
            return msgspec.structs.replace(workspace, artifact=said(event))
        case _:
            assert_never(event)


def decide(workspace: Workspace, command: WorkspaceCommand) -> list[WorkspaceEvent]:
    match command:
        case CreateWorkspace():
            return create(workspace, command)
        case UpdateWorkspace():
            must_exist(workspace)
            event = WorkspaceUpdated(command.display_name, command.description, command.tags, command.network)
            return [event] if evolve(workspace, event) != workspace else []
        case ArchiveWorkspace():
            must_exist(workspace)
            return [WorkspaceArchived()] if workspace.status == "active" else []
        case RestoreWorkspace():
            must_exist(workspace)
            return [WorkspaceRestored()] if workspace.status == "archived" else []
        case LogArtifact():
            must_exist(workspace)
            new = checked_log(command, workspace.artifact)
            return [WorkspaceArtifactLogged(command.path, command.digest, command.size_bytes)] if new else []
        case DeleteArtifact():
            must_exist(workspace)
            return [WorkspaceArtifactDeleted(command.path)] if checked_deletion(command, workspace.artifact) else []
        case _:
            assert_never(command)


def create(workspace: Workspace, command: CreateWorkspace) -> list[WorkspaceEvent]:
    if workspace.status == "absent":
        return [WorkspaceCreated(command.display_name, command.description, command.tags, command.network)]
    same = (workspace.display_name, workspace.description, workspace.tags, workspace.network) == (
        command.display_name,
        command.description,
        command.tags,
        command.network,
    )
    if same:
        return []
    raise Refused("workspace.exists", "a workspace of this name exists already; change it with update")


def must_exist(workspace: Workspace) -> None:
    if workspace.status == "absent":
        raise Refused("workspace.absent", "there is no workspace of this name; make it with workspace create")


def summary(workspace: Workspace) -> Summary:
    return Summary(workspace.status, labels=workspace.tags, archived=workspace.status == "archived")


WORKSPACE: Aggregate[WorkspaceCommand, WorkspaceEvent, Workspace] = Aggregate(
    "workspace",
    state=Workspace,
    commands=WorkspaceCommand,
    events=WorkspaceEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
)
