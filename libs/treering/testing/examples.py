"""Example commands of every kind: enough of them to reach every event."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from treering.domain.artifact_messages import DeleteArtifact, LogArtifact
from treering.domain.compute import AliasCompute, CreateCompute, DeleteCompute
from treering.domain.credential import (
    EraseCredentialName,
    GrantCredential,
    RenameCredential,
    RevokeCredential,
    RotateCredential,
)
from treering.domain.environment import ArchiveEnvironment, CreateEnvironment, RestoreEnvironment, UpdateEnvironment
from treering.domain.event import PublishEvent
from treering.domain.event_schema import (
    ArchiveEventSchema,
    CreateEventSchema,
    RestoreEventSchema,
    UpdateEventSchema,
)
from treering.domain.experiment_messages import (
    ArchiveExperiment,
    CreateExperiment,
    DeleteExperimentTag,
    ReleaseExperimentName,
    RenameExperiment,
    ReserveExperimentName,
    RestoreExperiment,
    SetExperimentTags,
    UpdateExperiment,
)
from treering.domain.installation import BeginEpoch, ClearAlert, RaiseAlert
from treering.domain.job_messages import (
    ArchiveJob,
    AssignJob,
    CancelJob,
    CompleteJob,
    ConfirmCancel,
    FailJob,
    FinalizeJob,
    LeftOut,
    LoseAttempt,
    LoseJob,
    OutputData,
    RefuseOutput,
    RegisterOutput,
    RestoreJob,
    StartJob,
    SubmitJob,
    UpdateJob,
)
from treering.domain.job_spec import EnvironmentSpec, InputSpec, JobSpec, OutputSpec
from treering.domain.metric_stream import SealMetricStream
from treering.domain.node import JoinNode, LeaveNode, LoseNode
from treering.domain.run_messages import (
    CreateRun,
    Dataset,
    DeleteRun,
    DeleteRunTag,
    LogRunInputs,
    LogRunOutputs,
    LogToRun,
    ModelOutput,
    RestoreRun,
    UpdateRun,
)
from treering.domain.sealed import Sealed
from treering.domain.webhook_messages import (
    CreateWebhook,
    DeleteWebhook,
    PauseWebhook,
    ReplayWebhook,
    ResumeWebhook,
    RotateSecret,
    UpdateWebhook,
)
from treering.domain.witness import AddWitness, RemoveWitness
from treering.domain.workspace import ArchiveWorkspace, CreateWorkspace, RestoreWorkspace, UpdateWorkspace
from treering.kernel.aggregate import Command
from treering.testing.model_examples import MODEL_COMMANDS

ENVIRONMENT = EnvironmentSpec(python="3.11", requirements=("scikit-learn==1.5.0",), source="conda.yml")
SPEC = JobSpec(
    command="python train.py --rate ${{inputs.rate}}",
    environment=ENVIRONMENT,
    experiment="digits",
    tags={"team": "vision"},
    inputs={"rate": InputSpec("number", value=0.1)},
    outputs={"model": OutputSpec(), "named": OutputSpec("custom_model", name="net")},
)
SEALED = Sealed("job-0f", {"DB_PASSWORD": "0" * 64})
SEALED_SPEC = replace(SPEC, sealed=SEALED)
SEALED_ENVIRONMENT = replace(ENVIRONMENT, sealed=Sealed("environment-0f", SEALED.macs))
DIGEST = "sha256:" + "0" * 64
LEFT_OUT = LeftOut("model", "last.pt", "tree.symlink", "the symbolic link 'last.pt' leads nowhere")
ARTIFACTS: list[Command] = [LogArtifact("model/MLmodel", DIGEST, 10), DeleteArtifact("model")]

COMMANDS: dict[str, list[Command]] = {
    "workspace": [
        CreateWorkspace("Main", tags={"cost": "1"}),
        UpdateWorkspace(description="ours"),
        ArchiveWorkspace(),
        RestoreWorkspace(),
        *ARTIFACTS,
    ],
    "experiment": [
        CreateExperiment("Digits"),
        UpdateExperiment(tags={"a": "b"}),
        SetExperimentTags({"c": "d"}),
        DeleteExperimentTag("c"),
        RenameExperiment("Digits, again"),
        RenameExperiment("digits", away=False),
        ReserveExperimentName("other"),
        ReleaseExperimentName("other"),
        ArchiveExperiment(),
        RestoreExperiment(),
    ],
    "environment": [
        CreateEnvironment(ENVIRONMENT),
        CreateEnvironment(SEALED_ENVIRONMENT),
        CreateEnvironment(ENVIRONMENT, "for sklearn", {"team": "a"}),
        UpdateEnvironment("", {"team": "b"}),
        ArchiveEnvironment(),
        RestoreEnvironment(),
    ],
    "compute": [CreateCompute("local"), CreateCompute("nodes", nodes_max=2), AliasCompute("local"), DeleteCompute()],
    "node": [
        JoinNode("i1", "local", 2),
        JoinNode("i2", "local", 2),
        LeaveNode("i1"),
        LeaveNode("i2"),
        LoseNode("i1", "not heard of for 12 s"),
        LoseNode("i2", "not heard of for 12 s"),
    ],
    "job": [
        SubmitJob(SPEC),
        SubmitJob(SEALED_SPEC),
        UpdateJob(display_name="first try", tags={"kept": "yes"}),
        CancelJob("not needed"),
        ArchiveJob(),
        RestoreJob(),
        *(AssignJob(attempt, "n1", f"i{attempt}") for attempt in (1, 2, 3)),
        *(LoseJob(attempt, "its node is gone") for attempt in (1, 2, 3)),
        *(LoseAttempt(attempt, "n1", "the spawner was ended") for attempt in (1, 2, 3)),
        *(StartJob(attempt, "n1") for attempt in (1, 2, 3)),
        FinalizeJob(1, "n1"),
        *(CompleteJob(attempt, "n1", {"model": OutputData(DIGEST, 1, 10)}, DIGEST, 1.5) for attempt in (1, 2)),
        CompleteJob(1, "n1", left_out=(LEFT_OUT,), left_out_count=1),
        FailJob(1, "n1", "exit_code", "the command exited with code 2", 2),
        FailJob(1, "n1", "exit_code", "the command exited with code 2", 2, left_out=(LEFT_OUT,), left_out_count=3),
        ConfirmCancel(1, "n1"),
        RegisterOutput("named", "net", 1),
        RegisterOutput("named", "net", 2),
        RefuseOutput("named", "model.empty", "the job wrote nothing there"),
    ],
    "run": [
        CreateRun("digits", "brave-elm", "anna", 1_700_000_000_000, {"team": "vision"}),
        LogToRun({"rate": "0.1"}, {"team": "speech"}),
        LogToRun({"rate": "0.2"}),
        DeleteRunTag("team"),
        UpdateRun("FINISHED", 1_700_000_060_000),
        UpdateRun(name="calm-fir"),
        DeleteRun(),
        RestoreRun(),
        LogRunInputs([Dataset("digits", "d1", "http", "https://example.com/digits")], ["m-1"]),
        LogRunOutputs([ModelOutput("m-2", 3)]),
        *ARTIFACTS,
    ],
    "event_schema": [
        CreateEventSchema({"type": "object", "required": ["ok"]}),
        UpdateEventSchema({"type": "object"}),
        ArchiveEventSchema(),
        RestoreEventSchema(),
    ],
    "webhook": [
        CreateWebhook("https://example.com/hook", since=7, kind="job", types=["job.completed", "model.*"]),
        UpdateWebhook(url="https://example.com/other", attempts_max=3),
        RotateSecret("s2", datetime(2026, 11, 25, tzinfo=UTC)),
        RotateSecret("s3"),
        PauseWebhook(),
        ResumeWebhook(),
        ReplayWebhook(3, "r1"),
        DeleteWebhook(),
    ],
    "credential": [
        GrantCredential("user", ["everything"], "a" * 64, "b" * 16),
        GrantCredential("publisher", ["publish"], key="c" * 16, found=True),
        GrantCredential("publisher", ["publish"], sources=["/ci"], types=["build.*"]),
        RenameCredential("d" * 64),
        EraseCredentialName(),
        RotateCredential("e" * 16),
        RevokeCredential(),
    ],
    "witness": [AddWitness("file", "/mnt/other/treering.checkpoint", required=True), RemoveWitness()],
    "metric_stream": [SealMetricStream(3, "a" * 64), SealMetricStream(7, "b" * 64)],
    "installation": [
        RaiseAlert("view.incomplete", "the view cannot show it", "tracking", "main", "run/r1", 7),
        RaiseAlert("disk.full", "there is no room"),
        ClearAlert("it is shown again"),
        BeginEpoch(90, "a1b2"),
        BeginEpoch(120, "c3d4"),
    ],
    "event": [
        PublishEvent("/ci", "1", "com.example.build.finished", "job/j1", data={"ok": True}),
        PublishEvent(
            "/ci",
            "2",
            "com.example.scan.finished",
            "orders/17",
            content_type="application/octet-stream",
            data_base64="AAEC",
            data_schema="https://example.com/scan",
            extensions={"tenant": "a", "retry": 2, "dry": True},
        ),
    ],
    **MODEL_COMMANDS,
}
