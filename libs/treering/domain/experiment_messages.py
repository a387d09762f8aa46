"""What can be asked of an experiment, and what can have happened to it."""

from __future__ import annotations

from treering.kernel.aggregate import Command, Event

# Commands: what someone asks for.


class CreateExperiment(Command, frozen=True, tag="create"):
    """``name`` only where it is not the key. ``artifact_location`` "" is the installation's own store."""

    display_name: str = ""
    description: str = ""
    tags: dict[str, str] = {}
    name: str = ""
    artifact_location: str = ""


class UpdateExperiment(Command, frozen=True, tag="update"):
    """``tags`` takes the place of all there are."""

    display_name: str | None = None
    description: str | None = None
    tags: dict[str, str] | None = None


class SetExperimentTags(Command, frozen=True, tag="set_tags"):
    tags: dict[str, str]


class DeleteExperimentTag(Command, frozen=True, tag="delete_tag"):
    key: str


class RenameExperiment(Command, frozen=True, tag="rename"):
    """``away``: the new name is not that of the experiment's own key, which others may have from then on."""

    name: str
    away: bool = True


class ReserveExperimentName(Command, frozen=True, tag="reserve_name"):
    """To the key of the name: keep it for the experiment with the key ``experiment``."""

    experiment: str


class ReleaseExperimentName(Command, frozen=True, tag="release_name"):
    experiment: str


class ArchiveExperiment(Command, frozen=True, tag="archive"):
    pass


class RestoreExperiment(Command, frozen=True, tag="restore"):
    pass


ExperimentCommand = (
    CreateExperiment | UpdateExperiment | SetExperimentTags | DeleteExperimentTag | RenameExperiment
    | ReserveExperimentName | ReleaseExperimentName | ArchiveExperiment | RestoreExperiment
)  # fmt: skip

# Events: what happened.


class ExperimentCreated(Event, frozen=True, tag="experiment.created"):
    display_name: str = ""
    description: str = ""
    tags: dict[str, str] = {}
    name: str = ""
    artifact_location: str = ""


class ExperimentUpdated(Event, frozen=True, tag="experiment.updated"):
    display_name: str | None = None
    description: str | None = None
    tags: dict[str, str] | None = None


class ExperimentTagsSet(Event, frozen=True, tag="experiment.tags_set"):
    tags: dict[str, str]


class ExperimentTagDeleted(Event, frozen=True, tag="experiment.tag_deleted"):
    key: str


class ExperimentRenamed(Event, frozen=True, tag="experiment.renamed"):
    name: str
    away: bool = True


class ExperimentNameReserved(Event, frozen=True, tag="experiment.name_reserved"):
    experiment: str


class ExperimentNameReleased(Event, frozen=True, tag="experiment.name_released"):
    experiment: str


class ExperimentArchived(Event, frozen=True, tag="experiment.archived"):
    pass


class ExperimentRestored(Event, frozen=True, tag="experiment.restored"):
    pass


ExperimentEvent = (
    ExperimentCreated | ExperimentUpdated | ExperimentTagsSet | ExperimentTagDeleted | ExperimentRenamed
    | ExperimentNameReserved | ExperimentNameReleased | ExperimentArchived | ExperimentRestored
)  # fmt: skip
