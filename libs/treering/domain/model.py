"""One version of a registered model; its key is ``name:version``. What it is never changes; what is said of it may.

    (absent) --created--> active --deleted--> deleted --restored--> active
    active --archived--> active, hidden from lists --restored--> active
    active, deleted --renamed--> renamed
    absent, deleted, renamed --transferred--> active, deleted        what a version of another name was
    deleted, renamed --created--> active                             of a later model of the name (generation)

What is deleted keeps its archived mark, and has it again when it is restored.
Versions are made over MLflow's API and from YAML alike, and are the same resources.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from treering.kernel.aggregate import Aggregate, Birth, Command, Event, Summary
from treering.kernel.bounds import AllTags, Count, FreeObject, Name, Tags, Text, Title
from treering.kernel.gathered import check_gathered
from treering.kernel.refusal import Refused

ModelType = Literal["custom_model", "mlflow_model", "triton_model"]
Stage = Literal["None", "Staging", "Production", "Archived"]
Unpinned = Literal["", "elsewhere", "nothing_there", "too_large", "unreadable"]
STAGES: tuple[Stage, ...] = ("None", "Staging", "Production", "Archived")


class ModelSpec(Struct, frozen=True, omit_defaults=True):
    """What a version is: where its files are (``source`` as MLflow says it, ``storage`` where that leads, ``path`` as
    somebody wrote it), the tree of them when they are stored here, and what it was made by.

    ``unpinned`` is why there is no such tree, so that the files may change. ``label`` is the version as its creator
    wrote it, where that is no whole number.
    """

    name: Name
    version: Count
    source: Text
    storage: Title = ""
    type: ModelType = "mlflow_model"
    digest: Name = ""
    run_id: Name = ""
    run_link: Title = ""
    model_id: Name = ""  # of the logged model
    path: Text = ""
    flavors: FreeObject = {}
    properties: Tags = {}
    generation: Count = 1  # of the registered model: there may have been others of this name, with the same numbers
    label: Name = ""
    unpinned: Unpinned = ""  # of versions that are older than this field it says nothing


class ModelState(Struct, frozen=True, omit_defaults=True):
    """A version with all that is said of it. The state of the kind, and what is taken along to another name."""

    status: Literal["absent", "active", "deleted", "renamed"] = "absent"
    archived: bool = False
    spec: ModelSpec | None = None
    description: Text | None = None
    tags: AllTags = {}
    stage: Stage = "None"
    with_registered_model: bool = False  # it was deleted because its registered model was
    previous: Name = ""
    to: Name = ""
    created_at: datetime | None = None  # set when it was created under another name
    created_by: Name = ""  # the same
    was: Literal["active", "deleted"] = "active"  # before it was renamed


class CreateModel(Command, frozen=True, tag="create"):
    spec: ModelSpec
    description: Text | None = None
    tags: Tags = {}


class UpdateModel(Command, frozen=True, tag="update"):
    description: Text | None


class TagModel(Command, frozen=True, tag="tag"):
    tags: Tags


class UntagModel(Command, frozen=True, tag="untag"):
    key: Name


class ChangeStage(Command, frozen=True, tag="change_stage"):
    stage: Stage


class ArchiveModel(Command, frozen=True, tag="archive"):
    pass


class RestoreModel(Command, frozen=True, tag="restore"):
    """Of one that was archived."""


class UndeleteModel(Command, frozen=True, tag="undelete"):
    """Of one that was deleted: it is what it was then, archived if it was."""


class DeleteModel(Command, frozen=True, tag="delete"):
    with_registered_model: bool = False


class RenameModel(Command, frozen=True, tag="rename"):
    """This version is ``to`` (another key) from now on."""

    to: Name


class TransferModel(Command, frozen=True, tag="transfer"):
    previous: Name
    state: ModelState


ModelCommand = (
    CreateModel | UpdateModel | TagModel | UntagModel | ChangeStage | ArchiveModel | RestoreModel | DeleteModel
    | RenameModel | TransferModel | UndeleteModel
)  # fmt: skip


class ModelCreated(Event, frozen=True, tag="model.created"):
    spec: ModelSpec
    description: Text | None = None
    tags: Tags = {}


class ModelUpdated(Event, frozen=True, tag="model.updated"):
    description: Text | None = None


class ModelTagged(Event, frozen=True, tag="model.tagged"):
    tags: Tags


class ModelUntagged(Event, frozen=True, tag="model.untagged"):
    key: Name


class StageChanged(Event, frozen=True, tag="model.stage_changed"):
    stage: Stage
    before: Stage = "None"


class ModelArchived(Event, frozen=True, tag="model.archived"):
    pass


class ModelRestored(Event, frozen=True, tag="model.restored"):
    """``archived``: it was so when it was deleted, and is again."""

    archived: bool = False


class ModelDeleted(Event, frozen=True, tag="model.deleted"):
    with_registered_model: bool = False


class ModelRenamed(Event, frozen=True, tag="model.renamed"):
    to: Name


class ModelTransferred(Event, frozen=True, tag="model.transferred"):
    previous: Name
    state: ModelState


ModelEvent = (
    ModelCreated | ModelUpdated | ModelTagged | ModelUntagged | StageChanged | ModelArchived | ModelRestored
    | ModelDeleted | ModelRenamed | ModelTransferred
)  # fmt: skip


def evolve(model: ModelState, event: ModelEvent) -> ModelState:
    change = msgspec.structs.replace
    match event:
        case ModelCreated():
            return ModelState("active", spec=event.spec, description=event.description, tags=event.tags)
        case ModelUpdated():
            return change(model, description=event.description)
        case ModelTagged():
            return change(model, tags={**model.tags, **event.tags})
        case ModelUntagged():
            return change(model, tags={key: value for key, value in model.tags.items() if key != event.key})
        case StageChanged():
            return change(model, stage=event.stage)
        case ModelArchived():
            return change(model, archived=True)
        case ModelRestored():
            return change(model, status="active", archived=event.archived, with_registered_model=False)
        case ModelDeleted():
            return change(model, status="deleted", with_registered_model=event.with_registered_model)
        case ModelRenamed():
            was: Literal["active", "deleted"] = "deleted" if model.status == "deleted" else "active"
            return change(model, status="renamed", to=event.to, was=was)
        case ModelTransferred():
            return change(event.state, previous=event.previous)
        case _:
            assert_never(event)


def decide(model: ModelState, command: ModelCommand) -> list[ModelEvent]:
    match command:
        case CreateModel():
            return create(model, command)
        case UpdateModel():
            must_be_there(model)
            return [] if model.description == command.description else [ModelUpdated(command.description)]
        case TagModel():
            must_be_there(model)
            new = {key: value for key, value in command.tags.items() if model.tags.get(key) != value}
            check_gathered("tags", model.tags, new)
            return [ModelTagged(new)] if new else []
        case UntagModel():
            must_be_there(model)
            return [ModelUntagged(command.key)] if command.key in model.tags else []
        case ChangeStage():
            must_be_there(model)
            return [] if model.stage == command.stage else [StageChanged(command.stage, model.stage)]
        case ArchiveModel():
            must_be_there(model)
            return [] if model.archived else [ModelArchived()]
        case RestoreModel():
            must_be_there(model)
            return [ModelRestored()] if model.archived else []
        case UndeleteModel():
            if model.status == "deleted":
                return [ModelRestored(model.archived)]
            must_be_there(model)
            return []
        case DeleteModel():
            if model.status == "deleted":
                return []
            must_be_there(model)
            return [ModelDeleted(command.with_registered_model)]
        case RenameModel():
            if model.status == "renamed" and model.to == command.to:
                return []
            if model.status != "deleted":
                must_be_there(model)
            return [ModelRenamed(command.to)]
        case TransferModel():
            return transfer(model, command)
        case _:
            assert_never(command)


def create(model: ModelState, command: CreateModel) -> list[ModelEvent]:
    """Within one model a number is given once: a version that was deleted, or is called otherwise now, still has it.

    Of a version that is there with the same content, the texts become what is given now; other tags stay.
    """
    before = model.spec.generation if model.spec and model.status in ("deleted", "renamed") else None
    if model.status == "absent" or (before is not None and command.spec.generation > before):
        return [ModelCreated(command.spec, command.description, command.tags)]
    if model.status == "active" and model.spec == command.spec:
        said = decide(model, UpdateModel(command.description)) if command.description else []
        return [*said, *decide(model, TagModel(command.tags))]
    version = command.spec.label or command.spec.version
    detail = f"version {version} exists or existed already, and what it is made of never changes; take another, or none"
    raise Refused("model.exists", detail)


def transfer(model: ModelState, command: TransferModel) -> list[ModelEvent]:
    event = ModelTransferred(command.previous, command.state)
    if model == evolve(model, event):
        return []
    if model.status == "active":
        raise Refused("model.exists", "this version exists already")
    return [event]


def must_be_there(model: ModelState) -> None:
    if model.status == "renamed":
        raise Refused("model.absent", f"there is no such version of a model; it is {model.to!r} now")
    if model.status != "active":
        raise Refused("model.absent", "there is no such version of a model")


def summary(model: ModelState) -> Summary:
    parent = model.spec.name if model.spec else ""
    status = "archived" if model.status == "active" and model.archived else model.status
    return Summary(status, parent, model.tags, archived=model.archived or model.status != "active")


def birth(event: ModelEvent) -> Birth | None:
    """Another version begins with its creation under a number that was free again; one that is called otherwise now is
    as old as it was."""
    match event:
        case ModelCreated():
            return Birth()
        case ModelTransferred():
            return Birth(event.state.created_at, event.state.created_by)
        case _:
            return None


MODEL: Aggregate[ModelCommand, ModelEvent, ModelState] = Aggregate(
    "model",
    state=ModelState,
    commands=ModelCommand,
    events=ModelEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
    birth=birth,
    shown_statuses=("archived",),
    told={
        "model.created": (
            "spec.name",
            "spec.version",
            "spec.source",
            "spec.type",
            "spec.digest",
            "spec.unpinned",
            "spec.run_id",
            "spec.model_id",
            "spec.path",
            "description",
            "tags",
        ),
        "model.transferred": ("previous",),
    },
)
