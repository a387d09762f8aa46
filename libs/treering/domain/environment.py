"""An environment: one version of a named Python installation. What it installs never changes; archiving hides it.

(absent) --created--> active --archived--> archived --restored--> active
"""

from __future__ import annotations

from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from treering.domain.job_spec import EnvironmentSpec, same_environment
from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import Tags, Text
from treering.kernel.gathered import check_gathered
from treering.kernel.refusal import Refused


class CreateEnvironment(Command, frozen=True, tag="create"):
    spec: EnvironmentSpec
    description: Text = ""
    tags: Tags = {}


class UpdateEnvironment(Command, frozen=True, tag="update"):
    """``None`` leaves a text as it is; ``tags`` are all that it is to have."""

    description: Text | None = None
    tags: Tags | None = None


class ArchiveEnvironment(Command, frozen=True, tag="archive"):
    pass


class RestoreEnvironment(Command, frozen=True, tag="restore"):
    pass


EnvironmentCommand = CreateEnvironment | UpdateEnvironment | ArchiveEnvironment | RestoreEnvironment


class EnvironmentCreated(Event, frozen=True, tag="environment.created"):
    spec: EnvironmentSpec
    description: Text = ""
    tags: Tags = {}


class EnvironmentUpdated(Event, frozen=True, tag="environment.updated"):
    description: Text | None = None
    tags: Tags | None = None


class EnvironmentArchived(Event, frozen=True, tag="environment.archived"):
    pass


class EnvironmentRestored(Event, frozen=True, tag="environment.restored"):
    pass


EnvironmentEvent = EnvironmentCreated | EnvironmentUpdated | EnvironmentArchived | EnvironmentRestored


class Environment(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "active", "archived"] = "absent"
    spec: EnvironmentSpec = EnvironmentSpec()
    description: str = ""
    tags: dict[str, str] = {}


def evolve(environment: Environment, event: EnvironmentEvent) -> Environment:
    match event:
        case EnvironmentCreated():
            return Environment("active", event.spec, event.description, event.tags)
        case EnvironmentUpdated():
            new = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not None}
            return msgspec.structs.replace(environment, **new)
        case EnvironmentArchived():
            return msgspec.structs.replace(environment, status="archived")
        case EnvironmentRestored():
            return msgspec.structs.replace(environment, status="active")
        case _:
            assert_never(event)


def decide(environment: Environment, command: EnvironmentCommand) -> list[EnvironmentEvent]:
    match command:
        case CreateEnvironment():
            return create(environment, command)
        case UpdateEnvironment():
            must_exist(environment)
            return if_changed(environment, EnvironmentUpdated(command.description, command.tags))
        case ArchiveEnvironment():
            must_exist(environment)
            return [EnvironmentArchived()] if environment.status == "active" else []
        case RestoreEnvironment():
            must_exist(environment)
            return [EnvironmentRestored()] if environment.status == "archived" else []
        case _:
            assert_never(command)


def create(environment: Environment, command: CreateEnvironment) -> list[EnvironmentEvent]:
    """Of a version that is there with the same content, the texts become what is given now; other tags stay."""
    if environment.status == "absent":
        return [EnvironmentCreated(command.spec, command.description, command.tags)]
    if same_environment(environment.spec, command.spec):
        check_gathered("tags", environment.tags, command.tags)
        tags = {**environment.tags, **command.tags} if command.tags else None
        return if_changed(environment, EnvironmentUpdated(command.description or None, tags))
    why = "this version exists, and what it installs never changes"
    raise Refused("environment.exists", f"{why}; take a new version, or change only its description and tags")


def if_changed(environment: Environment, event: EnvironmentUpdated) -> list[EnvironmentEvent]:
    """Only what is to be another is said."""
    description = event.description if event.description != environment.description else None
    tags = event.tags if event.tags != environment.tags else None
    return [] if description is None and tags is None else [EnvironmentUpdated(description, tags)]


def must_exist(environment: Environment) -> None:
    if environment.status == "absent":
        raise Refused("environment.absent", "there is no environment of this name and version")


def summary(environment: Environment) -> Summary:
    return Summary(environment.status, labels=environment.tags, archived=environment.status == "archived")


ENVIRONMENT: Aggregate[EnvironmentCommand, EnvironmentEvent, Environment] = Aggregate(
    "environment",
    state=Environment,
    commands=EnvironmentCommand,
    events=EnvironmentEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
    told={
        "environment.created": ("spec.python", "spec.image", "spec.source", "description", "tags"),
        "environment.updated": ("description", "tags"),
    },
)
