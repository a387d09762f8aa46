"""What can be asked of a run, and what can have happened to it. Times are milliseconds since 1970, as MLflow's."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from treering.domain.artifact_messages import ArtifactDeleted, ArtifactLogged, DeleteArtifact, LogArtifact
from treering.kernel.aggregate import Command, Event

RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]


class Dataset(Struct, frozen=True, omit_defaults=True):
    """A data set a run used, as the script described it; (name, digest) says which."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str = ""
    profile: str = ""
    tags: dict[str, str] = {}  # of this use, e.g. mlflow.data.context: "training"


class ModelOutput(Struct, frozen=True):
    """A logged model that a run made, at a step."""

    model_id: str
    step: int = 0


# Commands: what someone asks for.


class CreateRun(Command, frozen=True, tag="create"):
    """``experiment`` is its key. ``of_job``: the run of the job with the same name, made by its first write."""

    experiment: str
    name: str = ""
    user: str = ""
    start_time: int = 0
    tags: dict[str, str] = {}
    of_job: bool = False


class LogToRun(Command, frozen=True, tag="log"):
    """A batch, applied whole or not at all. A parameter that is there keeps its value: another one is refused."""

    params: dict[str, str] = {}
    tags: dict[str, str] = {}


class DeleteRunTag(Command, frozen=True, tag="delete_tag"):
    key: str


class UpdateRun(Command, frozen=True, tag="update"):
    status: RunStatus | None = None
    end_time: int | None = None
    name: str | None = None


class DeleteRun(Command, frozen=True, tag="delete"):
    pass


class RestoreRun(Command, frozen=True, tag="restore"):
    pass


class LogRunInputs(Command, frozen=True, tag="log_inputs"):
    datasets: list[Dataset] = []
    models: list[str] = []  # ids of logged models


class LogRunOutputs(Command, frozen=True, tag="log_outputs"):
    models: list[ModelOutput]


RunCommand = (
    CreateRun | LogToRun | DeleteRunTag | UpdateRun | DeleteRun | RestoreRun | LogRunInputs | LogRunOutputs
    | LogArtifact | DeleteArtifact
)  # fmt: skip

# Events: what happened.


class RunCreated(Event, frozen=True, tag="run.created"):
    experiment: str
    name: str = ""
    user: str = ""
    start_time: int = 0
    tags: dict[str, str] = {}
    of_job: bool = False


class RunParamsLogged(Event, frozen=True, tag="run.params_logged"):
    params: dict[str, str]


class RunTagsSet(Event, frozen=True, tag="run.tags_set"):
    tags: dict[str, str]


class RunTagDeleted(Event, frozen=True, tag="run.tag_deleted"):
    key: str


class RunUpdated(Event, frozen=True, tag="run.updated"):
    status: RunStatus | None = None
    end_time: int | None = None
    name: str | None = None


class RunDeleted(Event, frozen=True, tag="run.deleted"):
    pass


class RunRestored(Event, frozen=True, tag="run.restored"):
    pass


class RunInputsLogged(Event, frozen=True, tag="run.inputs_logged"):
    datasets: list[Dataset] = []
    models: list[str] = []


class RunOutputsLogged(Event, frozen=True, tag="run.outputs_logged"):
    models: list[ModelOutput]


class RunArtifactLogged(ArtifactLogged, frozen=True, tag="run.artifact_logged"):
    pass


class RunArtifactDeleted(ArtifactDeleted, frozen=True, tag="run.artifact_deleted"):
    pass


RunEvent = (
    RunCreated | RunParamsLogged | RunTagsSet | RunTagDeleted | RunUpdated | RunDeleted | RunRestored
    | RunInputsLogged | RunOutputsLogged | RunArtifactLogged | RunArtifactDeleted
)  # fmt: skip
