"""A logged model: what a run (or nobody in particular) saved as a model, before anybody registers it.

    (absent) --created--> pending --finalized--> ready or failed
    pending, ready, failed --deleted--> the same, deleted --restored--> the same

The key is MLflow's model id, ``m-`` and 32 hexadecimal digits. Metric points about it travel with those of the run that
logged them; each of its files is an artifact event.
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
from treering.kernel.aggregate import Aggregate, Command, Event, Summary
from treering.kernel.bounds import Name, Tags, Title
from treering.kernel.gathered import check_gathered
from treering.kernel.new_name import check_visible
from treering.kernel.refusal import Refused

Status = Literal["pending", "ready", "failed"]


class LoggedModelSpec(Struct, frozen=True, omit_defaults=True):
    """What never changes. ``artifact_uri`` is the folder of its files; ids are MLflow's."""

    experiment_id: Name
    name: Name
    artifact_uri: Title
    model_type: Name = ""
    source_run_id: Name = ""


class CreateLoggedModel(Command, frozen=True, tag="create"):
    spec: LoggedModelSpec
    params: Tags = {}
    tags: Tags = {}


class LogModelParams(Command, frozen=True, tag="log_params"):
    params: Tags


class TagLoggedModel(Command, frozen=True, tag="tag"):
    tags: Tags


class UntagLoggedModel(Command, frozen=True, tag="untag"):
    key: Name


class FinalizeLoggedModel(Command, frozen=True, tag="finalize"):
    status: Status


class DeleteLoggedModel(Command, frozen=True, tag="delete"):
    pass


class RestoreLoggedModel(Command, frozen=True, tag="restore"):
    pass


LoggedModelCommand = (
    CreateLoggedModel | LogModelParams | TagLoggedModel | UntagLoggedModel | FinalizeLoggedModel | DeleteLoggedModel
    | RestoreLoggedModel | LogArtifact | DeleteArtifact
)  # fmt: skip


class LoggedModelCreated(Event, frozen=True, tag="logged_model.created"):
    spec: LoggedModelSpec
    params: Tags = {}
    tags: Tags = {}


class ModelParamsLogged(Event, frozen=True, tag="logged_model.params_logged"):
    params: Tags


class LoggedModelTagged(Event, frozen=True, tag="logged_model.tagged"):
    tags: Tags


class LoggedModelUntagged(Event, frozen=True, tag="logged_model.untagged"):
    key: Name


class LoggedModelFinalized(Event, frozen=True, tag="logged_model.finalized"):
    status: Status


class LoggedModelDeleted(Event, frozen=True, tag="logged_model.deleted"):
    pass


class LoggedModelRestored(Event, frozen=True, tag="logged_model.restored"):
    pass


class LoggedModelArtifactLogged(ArtifactLogged, frozen=True, tag="logged_model.artifact_logged"):
    pass


class LoggedModelArtifactDeleted(ArtifactDeleted, frozen=True, tag="logged_model.artifact_deleted"):
    pass


LoggedModelEvent = (
    LoggedModelCreated | ModelParamsLogged | LoggedModelTagged | LoggedModelUntagged | LoggedModelFinalized
    | LoggedModelDeleted | LoggedModelRestored | LoggedModelArtifactLogged | LoggedModelArtifactDeleted
)  # fmt: skip


class LoggedModel(Struct, frozen=True, omit_defaults=True):
    status: Literal["absent", "pending", "ready", "failed"] = "absent"
    spec: LoggedModelSpec | None = None
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    deleted: bool = False
    artifact: LastArtifact | None = None


def evolve(model: LoggedModel, event: LoggedModelEvent) -> LoggedModel:
    change = msgspec.structs.replace
    match event:
        case LoggedModelCreated():
            return LoggedModel("pending", event.spec, event.params, event.tags)
        case ModelParamsLogged():
            return change(model, params={**model.params, **event.params})
        case LoggedModelTagged():
            return change(model, tags={**model.tags, **event.tags})
        case LoggedModelUntagged():
            return change(model, tags={key: value for key, value in model.tags.items() if key != event.key})
        case LoggedModelFinalized():
            return change(model, status=event.status)
        case LoggedModelDeleted():
            return change(model, deleted=True)
        case LoggedModelRestored():
            return change(model, deleted=False)
        case LoggedModelArtifactLogged() | LoggedModelArtifactDeleted():
            return change(model, artifact=said(event))
        case _:
            assert_never(event)


def decide(model: LoggedModel, command: LoggedModelCommand) -> list[LoggedModelEvent]:
    match command:
        case CreateLoggedModel():
            return create(model, command)
        case LogModelParams():
            must_exist(model)
            return log_params(model, command)
        case TagLoggedModel():
            must_exist(model)
            new = {key: value for key, value in command.tags.items() if model.tags.get(key) != value}
            check_gathered("tags", model.tags, new)
            return [LoggedModelTagged(new)] if new else []
        case UntagLoggedModel():
            must_exist(model)
            return [LoggedModelUntagged(command.key)] if command.key in model.tags else []
        case FinalizeLoggedModel():
            must_exist(model)
            return [] if model.status == command.status else [LoggedModelFinalized(command.status)]
        case DeleteLoggedModel():
            must_exist(model)
            return [] if model.deleted else [LoggedModelDeleted()]
        case RestoreLoggedModel():
            must_exist(model)
            return [LoggedModelRestored()] if model.deleted else []
        case LogArtifact():
            must_exist(model)
            new_file = checked_log(command, model.artifact)
            return [LoggedModelArtifactLogged(command.path, command.digest, command.size_bytes)] if new_file else []
        case DeleteArtifact():
            must_exist(model)
            return [LoggedModelArtifactDeleted(command.path)] if checked_deletion(command, model.artifact) else []
        case _:
            assert_never(command)


def create(model: LoggedModel, command: CreateLoggedModel) -> list[LoggedModelEvent]:
    if model.status == "absent":
        check_visible(LOGGED_MODEL.kind, command.spec.name)
        return [LoggedModelCreated(command.spec, command.params, command.tags)]
    if model == LoggedModel("pending", command.spec, command.params, command.tags):
        return []
    raise Refused("logged_model.exists", "a logged model of this id exists already")


def log_params(model: LoggedModel, command: LogModelParams) -> list[LoggedModelEvent]:
    """A parameter is written once; the same value again changes nothing."""
    for key, value in command.params.items():
        known = model.params.get(key, value)
        if known != value:
            detail = f"parameter {key!r} is {known[:200]!r} and cannot become {value[:200]!r}"
            raise Refused("logged_model.param_changed", detail)
    new = {key: value for key, value in command.params.items() if key not in model.params}
    check_gathered("parameters", model.params, new)
    return [ModelParamsLogged(new)] if new else []


def must_exist(model: LoggedModel) -> None:
    if model.status == "absent":
        raise Refused("logged_model.absent", "there is no logged model of this id")


def summary(model: LoggedModel) -> Summary:
    parent = model.spec.source_run_id if model.spec else ""
    status = "deleted" if model.deleted else model.status
    return Summary(status, parent, model.tags, archived=model.deleted)


LOGGED_MODEL: Aggregate[LoggedModelCommand, LoggedModelEvent, LoggedModel] = Aggregate(
    "logged_model",
    state=LoggedModel,
    commands=LoggedModelCommand,
    events=LoggedModelEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
    shown_statuses=("deleted",),
    told={
        "logged_model.created": (
            "spec.experiment_id",
            "spec.name",
            "spec.artifact_uri",
            "spec.model_type",
            "spec.source_run_id",
            "params",
            "tags",
        )
    },
)
