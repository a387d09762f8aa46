"""What can be asked of a job, and what can have happened to it."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from treering.domain.job_spec import JobSpec
from treering.kernel.aggregate import Command, Event

# Commands: what someone asks for.


class SubmitJob(Command, frozen=True, tag="submit"):
    spec: JobSpec


class UpdateJob(Command, frozen=True, tag="update"):
    display_name: str | None = None
    description: str | None = None
    tags: dict[str, str] | None = None


class CancelJob(Command, frozen=True, tag="cancel"):
    reason: str = ""


class ArchiveJob(Command, frozen=True, tag="archive"):
    pass


class RestoreJob(Command, frozen=True, tag="restore"):
    pass


class AssignJob(Command, frozen=True, tag="assign"):
    sent_by: ClassVar[str] = "scheduler"
    attempt: int
    node: str
    incarnation: str


class LoseJob(Command, frozen=True, tag="lose"):
    sent_by: ClassVar[str] = "scheduler"
    attempt: int
    reason: str


class ExecutorCommand(Command, frozen=True):
    sent_by: ClassVar[str] = "executor"
    attempt: int
    node: str


class StartJob(ExecutorCommand, frozen=True, tag="start"):
    pass


class FinalizeJob(ExecutorCommand, frozen=True, tag="finalize"):
    pass


class OutputData(msgspec.Struct, frozen=True):
    """What an output turned out to be: a tree (or blob) digest, and how much it is."""

    digest: str
    files: int
    size_bytes: int


class CompleteJob(ExecutorCommand, frozen=True, tag="complete"):
    outputs: dict[str, OutputData] = {}
    logs: str = ""  # digest of the tree of logs
    seconds: float = 0.0


class FailJob(ExecutorCommand, frozen=True, tag="fail"):
    code: str  # "exit_code", "timeout", "environment.unsolvable", ...
    message: str
    exit_code: int | None = None
    outputs: dict[str, OutputData] = {}
    logs: str = ""
    seconds: float = 0.0


class ConfirmCancel(ExecutorCommand, frozen=True, tag="confirm_cancel"):
    outputs: dict[str, OutputData] = {}
    logs: str = ""
    seconds: float = 0.0


class RegisterOutput(Command, frozen=True, tag="register_output"):
    """An output with a name is to be version ``version`` of ``model``. Of several who say so the first one holds."""

    output: str
    model: str
    version: int


class RefuseOutput(Command, frozen=True, tag="refuse_output"):
    """An output with a name cannot be registered: the code and the words of the refusal."""

    output: str
    code: str
    message: str


JobCommand = (
    SubmitJob | UpdateJob | CancelJob | ArchiveJob | RestoreJob
    | AssignJob | LoseJob | StartJob | FinalizeJob | CompleteJob | FailJob | ConfirmCancel
    | RegisterOutput | RefuseOutput
)  # fmt: skip

# Events: what happened.


class JobSubmitted(Event, frozen=True, tag="job.submitted"):
    spec: JobSpec


class JobUpdated(Event, frozen=True, tag="job.updated"):
    display_name: str | None = None
    description: str | None = None
    tags: dict[str, str] | None = None


class JobAssigned(Event, frozen=True, tag="job.assigned"):
    attempt: int
    node: str
    incarnation: str


class JobStarted(Event, frozen=True, tag="job.started"):
    attempt: int
    node: str


class JobFinalizing(Event, frozen=True, tag="job.finalizing"):
    attempt: int


class JobCompleted(Event, frozen=True, tag="job.completed"):
    attempt: int
    outputs: dict[str, OutputData] = {}
    logs: str = ""
    seconds: float = 0.0


class JobFailed(Event, frozen=True, tag="job.failed"):
    attempt: int
    code: str
    message: str
    exit_code: int | None = None
    outputs: dict[str, OutputData] = {}
    logs: str = ""
    seconds: float = 0.0


class JobLost(Event, frozen=True, tag="job.lost"):
    attempt: int
    reason: str


class JobCancelRequested(Event, frozen=True, tag="job.cancel_requested"):
    reason: str = ""


class JobCanceled(Event, frozen=True, tag="job.canceled"):
    attempt: int = 0
    outputs: dict[str, OutputData] = {}
    logs: str = ""
    seconds: float = 0.0


class JobArchived(Event, frozen=True, tag="job.archived"):
    pass


class JobRestored(Event, frozen=True, tag="job.restored"):
    pass


class OutputRegistered(Event, frozen=True, tag="job.output_registered"):
    output: str
    model: str
    version: int


class RegistrationFailed(Event, frozen=True, tag="job.registration_failed"):
    output: str
    code: str
    message: str


JobEvent = (
    JobSubmitted | JobUpdated | JobAssigned | JobStarted | JobFinalizing | JobCompleted
    | JobFailed | JobLost | JobCancelRequested | JobCanceled | JobArchived | JobRestored
    | OutputRegistered | RegistrationFailed
)  # fmt: skip
