"""A registered model: a name, its versions (of the kind ``model``), and the aliases that point at some of them.

    (absent) --created--> active --deleted--> deleted --restored--> active
    active --renamed--> renamed
    absent, deleted, renamed --created--> active                     another model (generation) under a free name
    absent, deleted, renamed --name_reserved--> reserved --transferred--> active
                                                reserved --name_released--> what it was
    active --archived--> active, hidden from lists --restored--> active

What is deleted keeps its archived mark, and has it again when it is restored.

The key is the name, so the log itself keeps names unique. A model is renamed in three steps, each safe to say again:
the new name is reserved, the old one lets go, the new one takes what the old one held.
"""

from __future__ import annotations

import hashlib
from typing import Literal, TypeVar, assert_never

import msgspec
from msgspec import Struct

from treering.domain.registered_model_messages import (
    AddVersion,
    AliasAssigned,
    AliasRemoved,
    ArchiveRegisteredModel,
    AssignAlias,
    CreateRegisteredModel,
    DeleteRegisteredModel,
    Holding,
    NameReleased,
    NameReserved,
    RegisteredModelArchived,
    RegisteredModelCommand,
    RegisteredModelCreated,
    RegisteredModelDeleted,
    RegisteredModelEvent,
    RegisteredModelRenamed,
    RegisteredModelRestored,
    RegisteredModelTagged,
    RegisteredModelTransferred,
    RegisteredModelUntagged,
    RegisteredModelUpdated,
    ReleaseName,
    RemoveAlias,
    RemoveVersion,
    RenameRegisteredModel,
    ReserveName,
    RestoreRegisteredModel,
    ReturnVersion,
    TagRegisteredModel,
    TransferRegisteredModel,
    UndeleteRegisteredModel,
    UntagRegisteredModel,
    UpdateRegisteredModel,
    VersionAdded,
    VersionRemoved,
    VersionReturned,
)
from treering.kernel.aggregate import Aggregate, Birth, Summary
from treering.kernel.gathered import check_gathered
from treering.kernel.new_name import check_new_name, check_visible
from treering.kernel.refusal import Refused
from treering.kernel.subjects import NAME, NAME_CHARACTERS_MAX

T = TypeVar("T")
VERSION_MAX = 2**31 - 1
KEY_CHARACTERS_MAX = NAME_CHARACTERS_MAX - 11  # the key of a version has a colon and ten digits more
Status = Literal["absent", "reserved", "active", "deleted", "renamed"]


class RegisteredModel(Struct, frozen=True, omit_defaults=True):
    """``request`` is that of the last creation or addition; ``was`` is the status before the name was reserved."""

    status: Status = "absent"
    holding: Holding = Holding()
    archived: bool = False
    request: str = ""
    added: int = 0  # the version that was added last
    holder: str = ""
    was: Status = "absent"
    previous: str = ""
    to: str = ""


def registered_model_key(name: str) -> str:
    """The key of the model called ``name``: the name itself where it can be one, else a digest of it."""
    if len(name) <= KEY_CHARACTERS_MAX and NAME.fullmatch(name):
        return name
    return f"m-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def evolve(model: RegisteredModel, event: RegisteredModelEvent) -> RegisteredModel:
    change = msgspec.structs.replace
    match event:
        case RegisteredModelCreated():
            return created(model, event)
        case RegisteredModelUpdated():
            return held(model, description=event.description)
        case RegisteredModelTagged():
            return held(model, tags={**model.holding.tags, **event.tags})
        case RegisteredModelUntagged():
            return held(model, tags=without(model.holding.tags, event.key))
        case AliasAssigned():
            aliases = {**model.holding.aliases, event.alias: event.version}
            return held(model, aliases=aliases, lapsed=without(model.holding.lapsed, event.alias))
        case AliasRemoved():
            return held(model, aliases=without(model.holding.aliases, event.alias))
        case VersionAdded():
            added = held(model, version_last=max(model.holding.version_last, event.version))
            return change(added, request=event.request, added=event.version)
        case VersionRemoved():
            lapsed = {**model.holding.lapsed, **dict.fromkeys(event.aliases, event.version)}
            return held(model, removed=(*model.holding.removed, event.version), lapsed=lapsed)
        case VersionReturned():
            lapsed = {alias: one for alias, one in model.holding.lapsed.items() if one != event.version}
            removed = tuple(one for one in model.holding.removed if one != event.version)
            return held(model, removed=removed, lapsed=lapsed)
        case NameReserved():
            return change(model, status="reserved", was=model.status, holder=event.holder)
        case NameReleased():
            return change(model, status=model.was, was="absent", holder="")
        case RegisteredModelRenamed():
            return change(model, status="renamed", to=event.to)
        case RegisteredModelTransferred():
            return transferred(model, event)
        case RegisteredModelDeleted():
            return change(model, status="deleted")
        case RegisteredModelArchived():
            return change(model, archived=True)
        case RegisteredModelRestored():
            return change(model, status="active", archived=event.archived)
        case _:
            assert_never(event)


def held(model: RegisteredModel, **changes: object) -> RegisteredModel:
    return msgspec.structs.replace(model, holding=msgspec.structs.replace(model.holding, **changes))


def without(mapping: dict[str, T], key: str) -> dict[str, T]:
    return {name: value for name, value in mapping.items() if name != key}


def created(model: RegisteredModel, event: RegisteredModelCreated) -> RegisteredModel:
    """Nothing of an earlier model of the name is left. (Before there were generations its numbers went on, and its
    versions could come back, with their aliases.)"""
    holding = Holding(event.name, event.description, event.tags, generation=event.generation)
    if event.generation == 1:
        was = model.holding
        holding = msgspec.structs.replace(
            holding, version_last=was.version_last, lapsed=left_behind(model), generation=was.generation
        )
    return RegisteredModel("active", holding, request=event.request)


def next_generation(model: RegisteredModel) -> int:
    """Of a model that takes the name now: another one than that which was deleted or renamed."""
    before = model.was if model.status == "reserved" else model.status
    return model.holding.generation + (before in ("deleted", "renamed"))


def left_behind(model: RegisteredModel) -> dict[str, int]:
    """The aliases of versions that can be restored under this name, though its model is another one by then."""
    holding = model.holding
    if model.status == "deleted":
        return {**holding.lapsed, **holding.aliases}
    return {alias: version for alias, version in holding.lapsed.items() if version not in holding.removed}


def transferred(model: RegisteredModel, event: RegisteredModelTransferred) -> RegisteredModel:
    if event.generation:
        holding = msgspec.structs.replace(event.holding, generation=event.generation)
    else:
        version_last = max(model.holding.version_last, event.holding.version_last)
        holding = msgspec.structs.replace(event.holding, version_last=version_last)
    return RegisteredModel("active", holding, event.archived, previous=event.previous)


def decide(model: RegisteredModel, command: RegisteredModelCommand) -> list[RegisteredModelEvent]:
    match command:
        case CreateRegisteredModel():
            return create(model, command)
        case UpdateRegisteredModel():
            must_be_active(model)
            same = model.holding.description == command.description
            return [] if same else [RegisteredModelUpdated(command.description)]
        case TagRegisteredModel():
            must_be_active(model)
            new = {key: value for key, value in command.tags.items() if model.holding.tags.get(key) != value}
            check_gathered("tags", model.holding.tags, new)
            return [RegisteredModelTagged(new)] if new else []
        case UntagRegisteredModel():
            must_be_active(model)
            return [RegisteredModelUntagged(command.key)] if command.key in model.holding.tags else []
        case AssignAlias():
            return assign_alias(model, command)
        case RemoveAlias():
            must_be_active(model)
            return [*(event for event in aliases(model) if event.alias == command.alias)]
        case AddVersion():
            return add_version(model, command)
        case RemoveVersion():
            return remove_version(model, command)
        case ReturnVersion():
            return return_version(model, command)
        case ReserveName():
            return reserve(model, command)
        case ReleaseName():
            reserved = model.status == "reserved" and model.holder == command.holder
            return [NameReleased(command.holder)] if reserved else []
        case RenameRegisteredModel():
            return rename(model, command)
        case TransferRegisteredModel():
            return transfer(model, command)
        case DeleteRegisteredModel():
            if model.status == "deleted":
                return []
            must_be_active(model)
            return [RegisteredModelDeleted()]
        case ArchiveRegisteredModel():
            must_be_active(model)
            return [] if model.archived else [RegisteredModelArchived()]
        case RestoreRegisteredModel():
            must_be_active(model)
            return [RegisteredModelRestored()] if model.archived else []
        case UndeleteRegisteredModel():
            if model.status == "deleted":
                return [RegisteredModelRestored(model.archived)]
            must_be_active(model)
            return []
        case _:
            assert_never(command)


def create(model: RegisteredModel, command: CreateRegisteredModel) -> list[RegisteredModelEvent]:
    if not command.name:
        raise Refused("registered_model.name", "name is empty; a registered model needs one")
    if model.status in ("absent", "deleted", "renamed"):
        check_new_name(REGISTERED_MODEL.kind, command.name)
        generation = next_generation(model)
        return [RegisteredModelCreated(command.name, command.description, command.tags, command.request, generation)]
    holding = model.holding
    same = (holding.name, holding.description, holding.tags) == (command.name, command.description, command.tags)
    if model.status == "active" and model.request == command.request and same:
        return []
    raise taken(model)


def taken(model: RegisteredModel) -> Refused:
    if model.status == "reserved":
        return Refused("registered_model.exists", f"the name is being given to {model.holder!r}; take another")
    return Refused("registered_model.exists", f"a registered model {model.holding.name!r} exists already")


def assign_alias(model: RegisteredModel, command: AssignAlias) -> list[RegisteredModelEvent]:
    must_be_active(model)
    holding = model.holding
    if not 1 <= command.version <= holding.version_last or command.version in holding.removed:
        raise Refused("model.absent", f"there is no version {command.version} of {holding.name!r}")
    before = holding.aliases.get(command.alias, 0)
    if not before:
        check_visible(REGISTERED_MODEL.kind, command.alias)
    return [] if before == command.version else [AliasAssigned(command.alias, command.version, before)]


def aliases(model: RegisteredModel) -> list[AliasRemoved]:
    return [AliasRemoved(alias, version) for alias, version in model.holding.aliases.items()]


def add_version(model: RegisteredModel, command: AddVersion) -> list[RegisteredModelEvent]:
    must_be_active(model)
    if not 1 <= command.version <= VERSION_MAX:
        raise Refused("model.version", f"version is {command.version}; it must be 1 to {VERSION_MAX}")
    if model.added == command.version and model.request == command.request:
        return []
    if command.next and command.version <= model.holding.version_last:
        last = model.holding.version_last
        raise Refused("registered_model.version_taken", f"version {command.version} is taken, the last is {last}")
    if command.version in model.holding.removed:
        raise Refused("model.exists", f"version {command.version} was deleted, and its number is not given again")
    return [VersionAdded(command.version, command.request)]


def remove_version(model: RegisteredModel, command: RemoveVersion) -> list[RegisteredModelEvent]:
    """The aliases of a version go with it."""
    must_be_active(model)
    if command.version in model.holding.removed:
        return []
    gone = [event for event in aliases(model) if event.version == command.version]
    return [*gone, VersionRemoved(command.version, tuple(event.alias for event in gone))]


def return_version(model: RegisteredModel, command: ReturnVersion) -> list[RegisteredModelEvent]:
    """The aliases that went with it come back, but for those that somebody gave to another version since. One that
    went with an earlier model of the name is none that this one removed."""
    must_be_active(model)
    returned = [VersionReturned(command.version)] if command.version in model.holding.removed else []
    back = [alias for alias, version in model.holding.lapsed.items() if version == command.version]
    return [*returned, *(AliasAssigned(alias, command.version) for alias in back)]


def reserve(model: RegisteredModel, command: ReserveName) -> list[RegisteredModelEvent]:
    if model.status == "reserved" and model.holder == command.holder:
        return []
    if model.status in ("active", "reserved"):
        raise taken(model)
    return [NameReserved(command.holder)]


def rename(model: RegisteredModel, command: RenameRegisteredModel) -> list[RegisteredModelEvent]:
    if model.status == "renamed" and model.to == command.to:
        return []
    must_be_active(model)
    check_new_name(REGISTERED_MODEL.kind, command.to)
    return [RegisteredModelRenamed(command.to)]


def transfer(model: RegisteredModel, command: TransferRegisteredModel) -> list[RegisteredModelEvent]:
    reserved = model.status == "reserved" and model.holder == command.previous
    generation = max(next_generation(model), command.holding.generation) if reserved else model.holding.generation
    event = RegisteredModelTransferred(command.previous, command.holding, command.archived, generation)
    if reserved:
        return [event]
    if model == transferred(model, event):
        return []
    raise Refused("registered_model.not_reserved", f"this name is not reserved for {command.previous!r}")


def must_be_active(model: RegisteredModel) -> None:
    if model.status == "renamed":
        raise Refused("registered_model.absent", f"there is no registered model of this name; it is {model.to!r} now")
    if model.status != "active":
        raise Refused("registered_model.absent", "there is no registered model of this name")


def summary(model: RegisteredModel) -> Summary:
    status = "archived" if model.status == "active" and model.archived else model.status
    return Summary(status, labels=model.holding.tags, archived=model.archived or model.status != "active")


def birth(event: RegisteredModelEvent) -> Birth | None:
    """Another model begins with its creation under a name that was free again; one that was renamed is older."""
    match event:
        case RegisteredModelCreated():
            return Birth()
        case RegisteredModelTransferred():
            return Birth(event.holding.created_at, event.holding.created_by)
        case _:
            return None


REGISTERED_MODEL: Aggregate[RegisteredModelCommand, RegisteredModelEvent, RegisteredModel] = Aggregate(
    "registered_model",
    state=RegisteredModel,
    commands=RegisteredModelCommand,
    events=RegisteredModelEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
    birth=birth,
    shown_statuses=("archived",),
    told={"registered_model.transferred": ("previous", "archived")},
)
