"""What can be asked of a registered model, and what can have happened to it."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from treering.kernel.aggregate import Command, Event


class Holding(Struct, frozen=True, omit_defaults=True):
    """What a name holds, and takes along when the model is given another name.

    ``version_last`` is the highest version number ever given under the name. It outlives every model of that name,
    so a number never comes to mean another content. ``removed`` are the versions that were deleted, ``lapsed`` the
    aliases that went with one of them, or with an earlier model of the name, and that nobody has used since: they come
    back with their version.
    """

    name: str = ""
    description: str = ""
    tags: dict[str, str] = {}
    aliases: dict[str, int] = {}  # alias -> version
    version_last: int = 0
    removed: tuple[int, ...] = ()
    created_at: datetime | None = None  # set when it was created under another name
    created_by: str = ""  # the same
    lapsed: dict[str, int] = {}  # alias -> version


# Commands: what someone asks for.


class CreateRegisteredModel(Command, frozen=True, tag="create"):
    """``request`` is the id of the request: it tells a repeated one from a second one."""

    name: str
    description: str = ""
    tags: dict[str, str] = {}
    request: str = ""


class UpdateRegisteredModel(Command, frozen=True, tag="update"):
    description: str


class TagRegisteredModel(Command, frozen=True, tag="tag"):
    tags: dict[str, str]


class UntagRegisteredModel(Command, frozen=True, tag="untag"):
    key: str


class AssignAlias(Command, frozen=True, tag="assign_alias"):
    alias: str
    version: int


class RemoveAlias(Command, frozen=True, tag="remove_alias"):
    alias: str


class AddVersion(Command, frozen=True, tag="add_version"):
    """Take ``version``. When it is ``next``, it must be higher than all that were taken before."""

    version: int
    next: bool = False
    request: str = ""


class RemoveVersion(Command, frozen=True, tag="remove_version"):
    version: int


class ReturnVersion(Command, frozen=True, tag="return_version"):
    version: int


class ReserveName(Command, frozen=True, tag="reserve"):
    """Keep this name for the model that is called ``holder`` now and is being renamed."""

    holder: str


class ReleaseName(Command, frozen=True, tag="release"):
    holder: str


class RenameRegisteredModel(Command, frozen=True, tag="rename"):
    to: str


class TransferRegisteredModel(Command, frozen=True, tag="transfer"):
    """What was called ``previous`` is called by this name from now on."""

    previous: str
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
    name: str
    description: str = ""
    tags: dict[str, str] = {}
    request: str = ""


class RegisteredModelUpdated(Event, frozen=True, tag="registered_model.updated"):
    description: str


class RegisteredModelTagged(Event, frozen=True, tag="registered_model.tagged"):
    tags: dict[str, str]


class RegisteredModelUntagged(Event, frozen=True, tag="registered_model.untagged"):
    key: str


class AliasAssigned(Event, frozen=True, tag="registered_model.alias_assigned"):
    alias: str
    version: int
    before: int = 0  # the version that had it until now


class AliasRemoved(Event, frozen=True, tag="registered_model.alias_removed"):
    alias: str
    version: int


class VersionAdded(Event, frozen=True, tag="registered_model.version_added"):
    version: int
    request: str = ""


class VersionRemoved(Event, frozen=True, tag="registered_model.version_removed"):
    version: int
    aliases: tuple[str, ...] = ()  # that went with it


class VersionReturned(Event, frozen=True, tag="registered_model.version_returned"):
    version: int


class NameReserved(Event, frozen=True, tag="registered_model.name_reserved"):
    holder: str


class NameReleased(Event, frozen=True, tag="registered_model.name_released"):
    holder: str


class RegisteredModelRenamed(Event, frozen=True, tag="registered_model.renamed"):
    to: str


class RegisteredModelTransferred(Event, frozen=True, tag="registered_model.transferred"):
    previous: str
    holding: Holding
    archived: bool = False


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
