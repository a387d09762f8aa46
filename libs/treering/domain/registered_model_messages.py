"""What can be asked of a registered model, and what can have happened to it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from treering.kernel.aggregate import Command, Event
from treering.kernel.bounds import PARTS_MAX, AllTags, Count, Name, Tags, Text


class Holding(Struct, frozen=True, omit_defaults=True):
    """What a name holds, and takes along when the model is given another name.

    ``generation``: the how manieth model of this name it is; each has its own numbers, from 1, and each version says of
    which it is. ``version_last`` is the highest version number that was given. ``removed`` are the versions that were
    deleted, ``lapsed`` the aliases that went with one of them and that nobody has used since: they come back with their
    version. Logs before there were generations went on with the numbers of earlier models of the name.
    """

    name: Name = ""
    description: Text = ""
    tags: AllTags = {}
    aliases: Annotated[dict[Name, Count], Meta(max_length=PARTS_MAX)] = {}  # alias -> version
    version_last: Count = 0
    removed: Annotated[tuple[Count, ...], Meta(max_length=PARTS_MAX)] = ()
    created_at: datetime | None = None  # set when it was created under another name
    created_by: Name = ""  # the same
    lapsed: Annotated[dict[Name, Count], Meta(max_length=PARTS_MAX)] = {}  # alias -> version
    generation: Count = 1


# Commands: what someone asks for.


class CreateRegisteredModel(Command, frozen=True, tag="create"):
    """``request`` is the id of the request: it tells a repeated one from a second one."""

    name: Name
    description: Text = ""
    tags: Tags = {}
    request: Name = ""


class UpdateRegisteredModel(Command, frozen=True, tag="update"):
    description: Text


class TagRegisteredModel(Command, frozen=True, tag="tag"):
    tags: Tags


class UntagRegisteredModel(Command, frozen=True, tag="untag"):
    key: Name


class AssignAlias(Command, frozen=True, tag="assign_alias"):
    alias: Name
    version: Count


class RemoveAlias(Command, frozen=True, tag="remove_alias"):
    alias: Name


class AddVersion(Command, frozen=True, tag="add_version"):
    """Take ``version``. When it is ``next``, it must be higher than all that were taken before."""

    version: Count
    next: bool = False
    request: Name = ""


class RemoveVersion(Command, frozen=True, tag="remove_version"):
    version: Count


class ReturnVersion(Command, frozen=True, tag="return_version"):
    version: Count


class ReserveName(Command, frozen=True, tag="reserve"):
    """Keep this name for the model that is called ``holder`` now and is being renamed."""

    holder: Name


class ReleaseName(Command, frozen=True, tag="release"):
    holder: Name


class RenameRegisteredModel(Command, frozen=True, tag="rename"):
    to: Name


class TransferRegisteredModel(Command, frozen=True, tag="transfer"):
    """What was called ``previous`` is called by this name from now on."""

    previous: Name
    holding: Holding
    archived: bool = False


class DeleteRegisteredModel(Command, frozen=True, tag="delete"):
    pass


class ArchiveRegisteredModel(Command, frozen=True, tag="archive"):
    pass


class RestoreRegisteredModel(Command, frozen=True, tag="restore"):
    """Of one that was archived."""


class UndeleteRegisteredModel(Command, frozen=True, tag="undelete"):
    """Of one that was deleted: it is what it was then, archived if it was."""


RegisteredModelCommand = (
    CreateRegisteredModel | UpdateRegisteredModel | TagRegisteredModel | UntagRegisteredModel | AssignAlias
    | RemoveAlias | AddVersion | RemoveVersion | ReturnVersion | ReserveName | ReleaseName | RenameRegisteredModel
    | TransferRegisteredModel | DeleteRegisteredModel | ArchiveRegisteredModel | RestoreRegisteredModel
    | UndeleteRegisteredModel
)  # fmt: skip

# Events: what happened.


class RegisteredModelCreated(Event, frozen=True, tag="registered_model.created"):
    """``generation``: 2 and more when there were models of the name before; their numbers are free again then."""

    name: Name
    description: Text = ""
    tags: Tags = {}
    request: Name = ""
    generation: Count = 1


class RegisteredModelUpdated(Event, frozen=True, tag="registered_model.updated"):
    description: Text


class RegisteredModelTagged(Event, frozen=True, tag="registered_model.tagged"):
    tags: Tags


class RegisteredModelUntagged(Event, frozen=True, tag="registered_model.untagged"):
    key: Name


class AliasAssigned(Event, frozen=True, tag="registered_model.alias_assigned"):
    alias: Name
    version: Count
    before: Count = 0  # the version that had it until now


class AliasRemoved(Event, frozen=True, tag="registered_model.alias_removed"):
    alias: Name
    version: Count


class VersionAdded(Event, frozen=True, tag="registered_model.version_added"):
    version: Count
    request: Name = ""


class VersionRemoved(Event, frozen=True, tag="registered_model.version_removed"):
    version: Count
    aliases: Annotated[tuple[Name, ...], Meta(max_length=PARTS_MAX)] = ()  # that went with it


class VersionReturned(Event, frozen=True, tag="registered_model.version_returned"):
    version: Count


class NameReserved(Event, frozen=True, tag="registered_model.name_reserved"):
    holder: Name


class NameReleased(Event, frozen=True, tag="registered_model.name_released"):
    holder: Name


class RegisteredModelRenamed(Event, frozen=True, tag="registered_model.renamed"):
    to: Name


class RegisteredModelTransferred(Event, frozen=True, tag="registered_model.transferred"):
    """``generation`` of what it is under this name; 0 before there were any: then the higher number went on."""

    previous: Name
    holding: Holding
    archived: bool = False
    generation: Count = 0


class RegisteredModelDeleted(Event, frozen=True, tag="registered_model.deleted"):
    pass


class RegisteredModelArchived(Event, frozen=True, tag="registered_model.archived"):
    pass


class RegisteredModelRestored(Event, frozen=True, tag="registered_model.restored"):
    """``archived``: it was so when it was deleted, and is again."""

    archived: bool = False


RegisteredModelEvent = (
    RegisteredModelCreated | RegisteredModelUpdated | RegisteredModelTagged | RegisteredModelUntagged | AliasAssigned
    | AliasRemoved | VersionAdded | VersionRemoved | VersionReturned | NameReserved | NameReleased
    | RegisteredModelRenamed | RegisteredModelTransferred | RegisteredModelDeleted | RegisteredModelArchived
    | RegisteredModelRestored
)  # fmt: skip
