"""Example commands of registered models, their versions and logged models."""

from __future__ import annotations

from treering.domain.artifact_messages import DeleteArtifact, LogArtifact
from treering.domain.logged_model import (
    CreateLoggedModel,
    DeleteLoggedModel,
    FinalizeLoggedModel,
    LoggedModelSpec,
    LogModelParams,
    RestoreLoggedModel,
    TagLoggedModel,
    UntagLoggedModel,
)
from treering.domain.model import (
    ArchiveModel,
    ChangeStage,
    CreateModel,
    DeleteModel,
    ModelSpec,
    ModelState,
    RenameModel,
    RestoreModel,
    TagModel,
    TransferModel,
    UndeleteModel,
    UntagModel,
    UpdateModel,
)
from treering.domain.registered_model_messages import (
    AddVersion,
    ArchiveRegisteredModel,
    AssignAlias,
    CreateRegisteredModel,
    DeleteRegisteredModel,
    Holding,
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
)
from treering.kernel.aggregate import Command

DIGEST = "sha256:" + "0" * 64
SPEC = ModelSpec("m", 1, "runs:/r/model", "mlflow-artifacts:/1/r/artifacts/model", run_id="r")
LOGGED = LoggedModelSpec("1", "digits", "mlflow-artifacts:/1/models/m-0/artifacts", source_run_id="r")

MODEL_COMMANDS: dict[str, list[Command]] = {
    "registered_model": [
        CreateRegisteredModel("m", request="r"),
        UpdateRegisteredModel("reads digits"),
        TagRegisteredModel({"team": "vision"}),
        UntagRegisteredModel("team"),
        AddVersion(1, next=True, request="r1"),
        AssignAlias("champion", 1),
        RemoveAlias("champion"),
        RemoveVersion(1),
        ReturnVersion(1),
        ReserveName("old"),
        ReleaseName("old"),
        RenameRegisteredModel("new"),
        TransferRegisteredModel("old", Holding("m", aliases={"champion": 1}, version_last=1)),
        TransferRegisteredModel("old", Holding("m", created_by="anna"), archived=True),
        DeleteRegisteredModel(),
        ArchiveRegisteredModel(),
        RestoreRegisteredModel(),
        UndeleteRegisteredModel(),
    ],
    "model": [
        CreateModel(SPEC, tags={"team": "vision"}),
        UpdateModel("the first"),
        TagModel({"kept": "yes"}),
        UntagModel("kept"),
        ChangeStage("Production"),
        ArchiveModel(),
        RestoreModel(),
        UndeleteModel(),
        DeleteModel(),
        DeleteModel(with_registered_model=True),
        RenameModel("new:1"),
        TransferModel("old:1", ModelState("active", spec=SPEC, stage="Staging")),
        TransferModel("old:1", ModelState("deleted", spec=SPEC, archived=True, created_by="anna")),
    ],
    "logged_model": [
        CreateLoggedModel(LOGGED, {"rate": "0.1"}),
        LogModelParams({"rate": "0.1", "trees": "40"}),
        TagLoggedModel({"team": "vision"}),
        UntagLoggedModel("team"),
        FinalizeLoggedModel("ready"),
        FinalizeLoggedModel("failed"),
        DeleteLoggedModel(),
        RestoreLoggedModel(),
        LogArtifact("MLmodel", DIGEST, 10),
        DeleteArtifact("MLmodel"),
    ],
}
