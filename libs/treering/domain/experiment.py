"""An experiment: the name under which jobs that belong together are found.

(absent) --created--> active --archived--> archived --restored--> active
"""

from __future__ import annotations

from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.refusal import Refused


class CreateExperiment(Command, frozen=True, tag="create"):
    display_name: str = ""
    description: str = ""
    tags: dict[str, str] = {}


class UpdateExperiment(Command, frozen=True, tag="update"):
    display_name: str | None = None
    description: str | None = None
    tags: dict[str, str] | None = None


class ArchiveExperiment(Command, frozen=True, tag="archive"):
    pass


class RestoreExperiment(Command, frozen=True, tag="restore"):
    pass


ExperimentCommand = CreateExperiment | UpdateExperiment | ArchiveExperiment | RestoreExperiment


class ExperimentCreated(Event, frozen=True, tag="experiment.created"):
    display_name: str = ""
    description: str = ""
    tags: dict[str, str] = {}


class ExperimentUpdated(Event, frozen=True, tag="experiment.updated"):
    display_name: str | None = None
    description: str | None = None
    tags: dict[str, str] | None = None


class ExperimentArchived(Event, frozen=True, tag="experiment.archived"):
    pass


class ExperimentRestored(Event, frozen=True, tag="experiment.restored"):
    pass


ExperimentEvent = ExperimentCreated | ExperimentUpdated | ExperimentArchived | ExperimentRestored


class Experiment(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "active", "archived"] = "absent"
    display_name: str = ""
    description: str = ""
    tags: dict[str, str] = {}


def evolve(experiment: Experiment, event: ExperimentEvent) -> Experiment:
    match event:
        case ExperimentCreated():
            return Experiment("active", event.display_name, event.description, event.tags)
        case ExperimentUpdated():
            new = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not None}
            return msgspec.structs.replace(experiment, **new)
        case ExperimentArchived():
            return msgspec.structs.replace(experiment, status="archived")
        case ExperimentRestored():
            return msgspec.structs.replace(experiment, status="active")
        case _:
            assert_never(event)


def decide(experiment: Experiment, command: ExperimentCommand) -> list[ExperimentEvent]:
    match command:
        case CreateExperiment():
            return create(experiment, command)
        case UpdateExperiment():
            must_exist(experiment)
            event = ExperimentUpdated(command.display_name, command.description, command.tags)
            return [event] if evolve(experiment, event) != experiment else []
        case ArchiveExperiment():
            must_exist(experiment)
            return [ExperimentArchived()] if experiment.status == "active" else []
        case RestoreExperiment():
            must_exist(experiment)
            return [ExperimentRestored()] if experiment.status == "archived" else []
        case _:
            assert_never(command)


def create(experiment: Experiment, command: CreateExperiment) -> list[ExperimentEvent]:
    if experiment.status == "absent":
        return [ExperimentCreated(command.display_name, command.description, command.tags)]
    same = (experiment.display_name, experiment.description, experiment.tags) == (
        command.display_name,
        command.description,
        command.tags,
    )
    if same:
        return []
    raise Refused("experiment.exists", "an experiment of this name exists already; change it with update")


def must_exist(experiment: Experiment) -> None:
    if experiment.status == "absent":
        raise Refused("experiment.absent", "there is no experiment of this name")


def summary(experiment: Experiment) -> Summary:
    return Summary(experiment.status, labels=experiment.tags, archived=experiment.status == "archived")


EXPERIMENT: Aggregate[ExperimentCommand, ExperimentEvent, Experiment] = Aggregate(
    "experiment",
    state=Experiment,
    commands=ExperimentCommand,
    events=ExperimentEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
)
