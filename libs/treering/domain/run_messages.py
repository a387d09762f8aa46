"""What can be asked of a run, and what can have happened to it. Times are milliseconds since 1970, as MLflow's."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from treering.domain.artifact_messages import ArtifactDeleted, ArtifactLogged, DeleteArtifact, LogArtifact
from treering.kernel.aggregate import Command, Event
from treering.kernel.bounds import ITEMS_MAX, Int64, Milliseconds, Name, Names, Profile, Tags, Text

RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]


class Dataset(Struct, frozen=True, omit_defaults=True):
    """A data set a run used, as the script described it; (name, digest) says which."""

    name: Name
    digest: Name
    source_type: Name
    source: Text
    schema: Text = ""
    profile: Profile = ""
    tags: Tags = {}  # of this use, e.g. mlflow.data.context: "training"


class ModelOutput(Struct, frozen=True):
    """A logged model that a run made, at a step."""

    model_id: Name
    step: Int64 = 0


# Commands: what someone asks for.


class CreateRun(Command, frozen=True, tag="create"):
    """``experiment`` is its key. ``of_job``: the run of the job with the same name, made by its first write."""

    experiment: Name
    name: Name = ""
    user: Name = ""
    start_time: Milliseconds = 0
    tags: Tags = {}
    of_job: bool = False


class LogToRun(Command, frozen=True, tag="log"):
    """A batch, applied whole or not at all. A parameter that is there keeps its value: another one is refused."""

    params: Tags = {}
    tags: Tags = {}


class DeleteRunTag(Command, frozen=True, tag="delete_tag"):
    key: Name


class UpdateRun(Command, frozen=True, tag="update"):
    status: RunStatus | None = None
    end_time: Milliseconds | None = None
    name: Name | None = None


class DeleteRun(Command, frozen=True, tag="delete"):
    pass


class RestoreRun(Command, frozen=True, tag="restore"):
    pass


class LogRunInputs(Command, frozen=True, tag="log_inputs"):
    datasets: Annotated[list[Dataset], Meta(max_length=ITEMS_MAX)] = []
    models: Names = []  # ids of logged models


class LogRunOutputs(Command, frozen=True, tag="log_outputs"):
    models: Annotated[list[ModelOutput], Meta(max_length=ITEMS_MAX)]


RunCommand = (
    CreateRun | LogToRun | DeleteRunTag | UpdateRun | DeleteRun | RestoreRun | LogRunInputs | LogRunOutputs
    | LogArtifact | DeleteArtifact
)  # fmt: skip

# Events: what happened.


class RunCreated(Event, frozen=True, tag="run.created"):
    experiment: Name
    name: Name = ""
    user: Name = ""
    start_time: Milliseconds = 0
    tags: Tags = {}
    of_job: bool = False


class RunParamsLogged(Event, frozen=True, tag="run.params_logged"):
    params: Tags


class RunTagsSet(Event, frozen=True, tag="run.tags_set"):
    tags: Tags


class RunTagDeleted(Event, frozen=True, tag="run.tag_deleted"):
    key: Name


class RunUpdated(Event, frozen=True, tag="run.updated"):
    status: RunStatus | None = None
    end_time: Milliseconds | None = None
    name: Name | None = None


class RunDeleted(Event, frozen=True, tag="run.deleted"):
    pass


class RunRestored(Event, frozen=True, tag="run.restored"):
    pass


class RunInputsLogged(Event, frozen=True, tag="run.inputs_logged"):
    datasets: Annotated[list[Dataset], Meta(max_length=ITEMS_MAX)] = []
    models: Names = []


class RunOutputsLogged(Event, frozen=True, tag="run.outputs_logged"):
    models: Annotated[list[ModelOutput], Meta(max_length=ITEMS_MAX)]


class RunArtifactLogged(ArtifactLogged, frozen=True, tag="run.artifact_logged"):
    pass


class RunArtifactDeleted(ArtifactDeleted, frozen=True, tag="run.artifact_deleted"):
    pass


RunEvent = (
    RunCreated | RunParamsLogged | RunTagsSet | RunTagDeleted | RunUpdated | RunDeleted | RunRestored
    | RunInputsLogged | RunOutputsLogged | RunArtifactLogged | RunArtifactDeleted
)  # fmt: skip
