"""What can be asked of a job, and what can have happened to it."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from treering.domain.job_spec import JobSpec
from treering.kernel.aggregate import Command, Event
from treering.kernel.bounds import ITEMS_MAX, Count, Line, Name, Seconds, Size, Small, Tags, Text, Title

# Commands: what someone asks for.


class SubmitJob(Command, frozen=True, tag="submit"):
    """``via``: the job whose script submits it, with its submitter's rights; "" for people."""

    spec: JobSpec
    via: Name = ""


class UpdateJob(Command, frozen=True, tag="update"):
    display_name: Title | None = None
    description: Text | None = None
    tags: Tags | None = None


class CancelJob(Command, frozen=True, tag="cancel"):
    reason: Text = ""


class ArchiveJob(Command, frozen=True, tag="archive"):
    pass


class RestoreJob(Command, frozen=True, tag="restore"):
    pass


class AssignJob(Command, frozen=True, tag="assign"):
    sent_by: ClassVar[str] = "scheduler"
    attempt: Small
    node: Name
    incarnation: Name


class LoseJob(Command, frozen=True, tag="lose"):
    sent_by: ClassVar[str] = "scheduler"
    attempt: Small
    reason: Text


class ExecutorCommand(Command, frozen=True):
    sent_by: ClassVar[str] = "executor"
    attempt: Small
    node: Name


class StartJob(ExecutorCommand, frozen=True, tag="start"):
    """``sandbox`` keeps the command apart: "bubblewrap", "user" or "none"; "" from executors that had none yet."""

    sandbox: Line = ""


class FinalizeJob(ExecutorCommand, frozen=True, tag="finalize"):
    pass


class OutputData(msgspec.Struct, frozen=True):
    """What an output turned out to be: a tree (or blob) digest, and how much it is."""

    digest: Name
    files: Count
    size_bytes: Size


class LeftOut(msgspec.Struct, frozen=True):
    """A file that is missing in an output ("default" is ./outputs, "logs" the console, "./logs" what the script wrote
    there) because it could not be stored."""

    output: Name
    path: Text  # for people: what is no text in it stands as escapes
    code: Name
    reason: Text


LEFT_OUT_MAX = 100
AllLeftOut = Annotated[tuple[LeftOut, ...], Meta(max_length=LEFT_OUT_MAX)]  # the first of left_out_count


class CompleteJob(ExecutorCommand, frozen=True, tag="complete"):
    outputs: Annotated[dict[Name, OutputData], Meta(max_length=ITEMS_MAX)] = {}
    logs: Name = ""  # digest of the tree of logs: the console, and ./logs
    seconds: Seconds = 0.0
    left_out: AllLeftOut = ()
    left_out_count: Count = 0


class FailJob(ExecutorCommand, frozen=True, tag="fail"):
    code: Name  # "exit_code", "timeout", "environment.unsolvable", ...
    message: Text
    exit_code: Small | None = None
    outputs: Annotated[dict[Name, OutputData], Meta(max_length=ITEMS_MAX)] = {}
    logs: Name = ""
    seconds: Seconds = 0.0
    left_out: AllLeftOut = ()
    left_out_count: Count = 0


class ConfirmCancel(ExecutorCommand, frozen=True, tag="confirm_cancel"):
    outputs: Annotated[dict[Name, OutputData], Meta(max_length=ITEMS_MAX)] = {}
    logs: Name = ""
    seconds: Seconds = 0.0
    left_out: AllLeftOut = ()
    left_out_count: Count = 0


class LoseAttempt(ExecutorCommand, frozen=True, tag="lose_attempt"):
    """The node itself failed on the attempt, and nothing of it runs any more: the job is to be tried again."""

    reason: Text


class RegisterOutput(Command, frozen=True, tag="register_output"):
    """An output with a name is to be version ``version`` of ``model``. Of several who say so the first one holds."""

    output: Name
    model: Name
    version: Count


class RefuseOutput(Command, frozen=True, tag="refuse_output"):
    """An output with a name cannot be registered: the code and the words of the refusal."""

    output: Name
    code: Name
    message: Text


JobCommand = (
    SubmitJob | UpdateJob | CancelJob | ArchiveJob | RestoreJob
    | AssignJob | LoseJob | StartJob | FinalizeJob | CompleteJob | FailJob | ConfirmCancel | LoseAttempt
    | RegisterOutput | RefuseOutput
)  # fmt: skip

# Events: what happened.


class JobSubmitted(Event, frozen=True, tag="job.submitted"):
    spec: JobSpec
    via: Name = ""


class JobUpdated(Event, frozen=True, tag="job.updated"):
    display_name: Title | None = None
    description: Text | None = None
    tags: Tags | None = None


class JobAssigned(Event, frozen=True, tag="job.assigned"):
    attempt: Small
    node: Name
    incarnation: Name


class JobStarted(Event, frozen=True, tag="job.started"):
    attempt: Small
    node: Name
    sandbox: Line = ""


class JobFinalizing(Event, frozen=True, tag="job.finalizing"):
    attempt: Small


class JobCompleted(Event, frozen=True, tag="job.completed"):
    attempt: Small
    outputs: Annotated[dict[Name, OutputData], Meta(max_length=ITEMS_MAX)] = {}
    logs: Name = ""
    seconds: Seconds = 0.0
    left_out: AllLeftOut = ()
    left_out_count: Count = 0


class JobFailed(Event, frozen=True, tag="job.failed"):
    attempt: Small
    code: Name
    message: Text
    exit_code: Small | None = None
    outputs: Annotated[dict[Name, OutputData], Meta(max_length=ITEMS_MAX)] = {}
    logs: Name = ""
    seconds: Seconds = 0.0
    left_out: AllLeftOut = ()
    left_out_count: Count = 0


class JobLost(Event, frozen=True, tag="job.lost"):
    attempt: Small
    reason: Text


class JobCancelRequested(Event, frozen=True, tag="job.cancel_requested"):
    reason: Text = ""


class JobCanceled(Event, frozen=True, tag="job.canceled"):
    attempt: Small = 0
    outputs: Annotated[dict[Name, OutputData], Meta(max_length=ITEMS_MAX)] = {}
    logs: Name = ""
    seconds: Seconds = 0.0
    left_out: AllLeftOut = ()
    left_out_count: Count = 0


class JobArchived(Event, frozen=True, tag="job.archived"):
    pass


class JobRestored(Event, frozen=True, tag="job.restored"):
    pass


class OutputRegistered(Event, frozen=True, tag="job.output_registered"):
    output: Name
    model: Name
    version: Count


class RegistrationFailed(Event, frozen=True, tag="job.registration_failed"):
    output: Name
    code: Name
    message: Text


JobEvent = (
    JobSubmitted | JobUpdated | JobAssigned | JobStarted | JobFinalizing | JobCompleted
    | JobFailed | JobLost | JobCancelRequested | JobCanceled | JobArchived | JobRestored
    | OutputRegistered | RegistrationFailed
)  # fmt: skip
