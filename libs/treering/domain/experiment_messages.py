"""What can be asked of an experiment, and what can have happened to it."""

from __future__ import annotations

from treering.kernel.aggregate import Command, Event
from treering.kernel.bounds import Name, Tags, Text, Title

# Commands: what someone asks for.


class CreateExperiment(Command, frozen=True, tag="create"):
    """``name`` only where it is not the key. ``artifact_location`` "" is the installation's own store."""

    display_name: Title = ""
    description: Text = ""
    tags: Tags = {}
    name: Name = ""
    artifact_location: Title = ""


class UpdateExperiment(Command, frozen=True, tag="update"):
    """``tags`` takes the place of all there are."""

    display_name: Title | None = None
    description: Text | None = None
    tags: Tags | None = None


class SetExperimentTags(Command, frozen=True, tag="set_tags"):
    tags: Tags


class DeleteExperimentTag(Command, frozen=True, tag="delete_tag"):
    key: Name


class RenameExperiment(Command, frozen=True, tag="rename"):
    """``away``: the new name is not that of the experiment's own key, which others may have from then on."""

    name: Name
    away: bool = True


class ReserveExperimentName(Command, frozen=True, tag="reserve_name"):
    """To the key of the name: keep it for the experiment with the key ``experiment``."""

    experiment: Name


class ReleaseExperimentName(Command, frozen=True, tag="release_name"):
    experiment: Name


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
    display_name: Title = ""
    description: Text = ""
    tags: Tags = {}
    name: Name = ""
    artifact_location: Title = ""


class ExperimentUpdated(Event, frozen=True, tag="experiment.updated"):
    display_name: Title | None = None
    description: Text | None = None
    tags: Tags | None = None


class ExperimentTagsSet(Event, frozen=True, tag="experiment.tags_set"):
    tags: Tags


class ExperimentTagDeleted(Event, frozen=True, tag="experiment.tag_deleted"):
    key: Name


class ExperimentRenamed(Event, frozen=True, tag="experiment.renamed"):
    name: Name
    away: bool = True


class ExperimentNameReserved(Event, frozen=True, tag="experiment.name_reserved"):
    experiment: Name


class ExperimentNameReleased(Event, frozen=True, tag="experiment.name_released"):
    experiment: Name


class ExperimentArchived(Event, frozen=True, tag="experiment.archived"):
    pass


class ExperimentRestored(Event, frozen=True, tag="experiment.restored"):
    pass


ExperimentEvent = (
    ExperimentCreated | ExperimentUpdated | ExperimentTagsSet | ExperimentTagDeleted | ExperimentRenamed
    | ExperimentNameReserved | ExperimentNameReleased | ExperimentArchived | ExperimentRestored
)  # fmt: skip
