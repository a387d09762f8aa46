"""An experiment: the name under which jobs and runs that belong together are found.

    (absent) --created--> active --archived--> archived --restored--> active

Names are unique in a workspace, those of archived experiments too. The key of an experiment is made from its
first name, so the log itself keeps two from being created. When it is renamed, the key of the new name is
reserved for it first, and the key of the old one is given back last:

    key of the new name   (not held) --name_reserved--> held --name_released--> (not held)
"""

from __future__ import annotations

import hashlib
from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from treering.domain.experiment_messages import (
    ArchiveExperiment,
    CreateExperiment,
    DeleteExperimentTag,
    ExperimentArchived,
    ExperimentCommand,
    ExperimentCreated,
    ExperimentEvent,
    ExperimentNameReleased,
    ExperimentNameReserved,
    ExperimentRenamed,
    ExperimentRestored,
    ExperimentTagDeleted,
    ExperimentTagsSet,
    ExperimentUpdated,
    ReleaseExperimentName,
    RenameExperiment,
    ReserveExperimentName,
    RestoreExperiment,
    SetExperimentTags,
    UpdateExperiment,
)
from treering.kernel.aggregate import Aggregate, Birth, Summary
from treering.kernel.gathered import check_gathered
from treering.kernel.new_name import check_new_name
from treering.kernel.refusal import Refused
from treering.kernel.subjects import NAME, NAME_CHARACTERS_MAX


class Experiment(Struct, frozen=True, omit_defaults=True):
    """``name`` is "" while the experiment is called by its key. ``holder`` is the key of the other experiment that
    is called by this key; ``renamed`` says that this one no longer is."""

    status: Literal["absent", "active", "archived"] = "absent"
    display_name: str = ""
    description: str = ""
    tags: dict[str, str] = {}
    name: str = ""
    artifact_location: str = ""
    holder: str = ""
    renamed: bool = False


def experiment_key(name: str, number: int = 0) -> str:
    """The key of an experiment first called ``name``: the name itself where it can be one, else a digest of it.

    ``number`` tells apart the experiments that were first called the same, one after the other.
    """
    if number == 0 and len(name) <= NAME_CHARACTERS_MAX and NAME.fullmatch(name):
        return name
    text = f"{number}\n{name}".encode("utf-8", "surrogatepass")
    return f"e-{hashlib.sha256(text).hexdigest()[:32]}"


def evolve(experiment: Experiment, event: ExperimentEvent) -> Experiment:
    change = msgspec.structs.replace
    match event:
        case ExperimentCreated():
            return change(
                experiment, status="active", display_name=event.display_name, description=event.description,
                tags=event.tags, name=event.name, artifact_location=event.artifact_location,
            )  # fmt: skip
        case ExperimentUpdated():
            new = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not None}
            return change(experiment, **new)
        case ExperimentTagsSet():
            return change(experiment, tags={**experiment.tags, **event.tags})
        case ExperimentTagDeleted():
            return change(experiment, tags={key: tag for key, tag in experiment.tags.items() if key != event.key})
        case ExperimentRenamed():
            return change(experiment, name=event.name, renamed=event.away)
        case ExperimentNameReserved():
            return change(experiment, holder=event.experiment)
        case ExperimentNameReleased():
            return change(experiment, holder="")
        case ExperimentArchived():
            return change(experiment, status="archived")
        case ExperimentRestored():
            return change(experiment, status="active")
        case _:
            assert_never(event)


def decide(experiment: Experiment, command: ExperimentCommand) -> list[ExperimentEvent]:
    match command:
        case CreateExperiment():
            return create(experiment, command)
        case UpdateExperiment():
            must_exist(experiment)
            return if_changed(experiment, ExperimentUpdated(command.display_name, command.description, command.tags))
        case SetExperimentTags():
            must_be_active(experiment)
            check_gathered("tags", experiment.tags, command.tags)
            return if_changed(experiment, ExperimentTagsSet(command.tags))
        case DeleteExperimentTag():
            must_be_active(experiment)
            return [ExperimentTagDeleted(command.key)] if command.key in experiment.tags else []
        case RenameExperiment():
            return rename(experiment, command)
        case ReserveExperimentName():
            return reserve(experiment, command)
        case ReleaseExperimentName():
            return [ExperimentNameReleased(command.experiment)] if experiment.holder == command.experiment else []
        case ArchiveExperiment():
            must_exist(experiment)
            return [ExperimentArchived()] if experiment.status == "active" else []
        case RestoreExperiment():
            must_exist(experiment)
            return [ExperimentRestored()] if experiment.status == "archived" else []
        case _:
            assert_never(command)


def create(experiment: Experiment, command: CreateExperiment) -> list[ExperimentEvent]:
    event = ExperimentCreated(
        command.display_name, command.description, command.tags, command.name, command.artifact_location
    )
    if experiment.status == "absent" and not experiment.holder:
        if command.name:  # else it has its key for a name
            check_new_name(EXPERIMENT.kind, command.name)
        return [event]
    if experiment.status != "absent" and evolve(experiment, event) == experiment:
        return []
    raise Refused("experiment.exists", "an experiment of this name exists already; change it with update")


def rename(experiment: Experiment, command: RenameExperiment) -> list[ExperimentEvent]:
    must_be_active(experiment)
    if not command.away and experiment.holder:
        raise Refused("experiment.exists", f"the name {command.name[:80]!r} belongs to another experiment by now")
    if command.name != experiment.name:
        check_new_name(EXPERIMENT.kind, command.name)
    return if_changed(experiment, ExperimentRenamed(command.name, command.away))


def reserve(experiment: Experiment, command: ReserveExperimentName) -> list[ExperimentEvent]:
    """On the key of the name that is wanted: it is free when nothing is called so."""
    if experiment.holder == command.experiment:
        return []
    if experiment.holder or (experiment.status != "absent" and not experiment.renamed):
        raise Refused("experiment.exists", "an experiment of this name exists already")
    return [ExperimentNameReserved(command.experiment)]


def if_changed(experiment: Experiment, event: ExperimentEvent) -> list[ExperimentEvent]:
    return [event] if evolve(experiment, event) != experiment else []


def must_exist(experiment: Experiment) -> None:
    if experiment.status == "absent":
        raise Refused("experiment.absent", "there is no experiment of this name")


def must_be_active(experiment: Experiment) -> None:
    must_exist(experiment)
    if experiment.status != "active":
        raise Refused("experiment.not_active", f"the experiment is {experiment.status}; restore it first")


def summary(experiment: Experiment) -> Summary:
    if experiment.status == "absent":
        return Summary("reserved" if experiment.holder else "absent", archived=True)
    return Summary(experiment.status, labels=experiment.tags, archived=experiment.status == "archived")


def birth(event: ExperimentEvent) -> Birth | None:
    """Who reserved the name before, for an experiment that was called so, did not create this one."""
    return Birth() if isinstance(event, ExperimentCreated) else None


EXPERIMENT: Aggregate[ExperimentCommand, ExperimentEvent, Experiment] = Aggregate(
    "experiment",
    state=Experiment,
    commands=ExperimentCommand,
    events=ExperimentEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
    birth=birth,
    shown_statuses=("reserved",),
)
