"""A job: a command run in an environment on a compute target, in one or more attempts.

    (Absent) --submitted--> Queued --assigned--> Preparing --started--> Running --finalizing--> Finalizing
                              ^                      |                     |                        |
                              '---- lost, to try again (the node failed) --'------------------------'
    Queued ------------------------------ canceled --> Canceled
    Preparing, Running, Finalizing --cancel_requested--> CancelRequested --canceled--> Canceled
    Preparing, Running, Finalizing, CancelRequested --completed--> Completed, --failed--> Failed

The attempt number is the fence: it grows with every assignment, and what an executor says of an earlier
attempt is refused. The statuses are those of Azure ML.
"""

from __future__ import annotations

from typing import Any, Literal, assert_never

import msgspec
from msgspec import Struct

from treering.domain.job_messages import (
    ArchiveJob,
    AssignJob,
    CancelJob,
    CompleteJob,
    ConfirmCancel,
    ExecutorCommand,
    FailJob,
    FinalizeJob,
    JobArchived,
    JobAssigned,
    JobCanceled,
    JobCancelRequested,
    JobCommand,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobFinalizing,
    JobLost,
    JobRestored,
    JobStarted,
    JobSubmitted,
    JobUpdated,
    LeftOut,
    LoseAttempt,
    LoseJob,
    OutputData,
    OutputRegistered,
    RefuseOutput,
    RegisterOutput,
    RegistrationFailed,
    RestoreJob,
    StartJob,
    SubmitJob,
    UpdateJob,
)
from treering.domain.job_spec import JobSpec, differences
from treering.kernel.aggregate import Aggregate, Summary
from treering.kernel.refusal import Refused

ATTEMPTS_MAX = 3

Status = Literal[
    "Absent", "Queued", "Preparing", "Running", "Finalizing", "CancelRequested", "Completed", "Failed", "Canceled"
]
TERMINAL: frozenset[str] = frozenset({"Completed", "Failed", "Canceled"})
HELD: frozenset[str] = frozenset({"Preparing", "Running", "Finalizing", "CancelRequested"})  # by an executor


class Registration(Struct, frozen=True, omit_defaults=True):
    """What became of an output that has a name: a version of a model, or ``code`` and ``message`` why not."""

    model: str = ""
    version: int = 0
    code: str = ""
    message: str = ""


class Job(Struct, frozen=True, omit_defaults=True):
    status: Status = "Absent"
    spec: JobSpec | None = None
    attempt: int = 0
    node: str = ""
    incarnation: str = ""
    code: str = ""  # why it failed, for programs
    message: str = ""  # why it failed, for people
    exit_code: int | None = None
    outputs: dict[str, OutputData] = {}
    logs: str = ""
    seconds: float = 0.0
    left_out: tuple[LeftOut, ...] = ()  # of its outputs, the first of left_out_count
    left_out_count: int = 0
    archived: bool = False
    registered: dict[str, Registration] = {}  # by output
    via: str = ""  # the job that submitted it
    sandbox: str = ""  # of the attempt that runs or ran last


def evolve(job: Job, event: JobEvent) -> Job:
    change = msgspec.structs.replace
    match event:
        case JobSubmitted():
            return Job(status="Queued", spec=event.spec, via=event.via)
        case JobUpdated():
            return change(job, spec=updated(job.spec, event))
        case JobAssigned():
            return change(
                job, status="Preparing", attempt=event.attempt, node=event.node, incarnation=event.incarnation
            )
        case JobStarted():
            return change(job, status="Running", sandbox=event.sandbox)
        case JobFinalizing():
            return change(job, status="Finalizing")
        case JobCompleted():
            return ended(job, event, status="Completed", exit_code=0)
        case JobFailed():
            return ended(job, event, status="Failed", code=event.code, message=event.message, exit_code=event.exit_code)
        case JobLost():
            return change(job, status="Queued", node="", incarnation="")
        case JobCancelRequested():
            return change(job, status="CancelRequested")
        case JobCanceled():
            return ended(job, event, status="Canceled")
        case JobArchived():
            return change(job, archived=True)
        case JobRestored():
            return change(job, archived=False)
        case OutputRegistered():
            return registered(job, event.output, Registration(event.model, event.version))
        case RegistrationFailed():
            return registered(job, event.output, Registration(code=event.code, message=event.message))
        case _:
            assert_never(event)


def updated(spec: JobSpec | None, event: JobUpdated) -> JobSpec | None:
    if spec is None:
        return None
    new = {name: getattr(event, name) for name in ("display_name", "description", "tags")}
    return msgspec.structs.replace(spec, **{name: value for name, value in new.items() if value is not None})


def ended(job: Job, event: JobCompleted | JobFailed | JobCanceled, **how: object) -> Job:
    """The job with what its last attempt left."""
    return msgspec.structs.replace(job, **left_by(event), **how)


def registered(job: Job, output: str, registration: Registration) -> Job:
    return msgspec.structs.replace(job, registered={**job.registered, output: registration})


def decide(job: Job, command: JobCommand) -> list[JobEvent]:
    match command:
        case SubmitJob():
            return submit(job, command)
        case UpdateJob():
            return update(job, command)
        case CancelJob():
            return cancel(job, command)
        case ArchiveJob():
            return archive(job)
        case RestoreJob():
            return restore(job)
        case AssignJob():
            return assign(job, command)
        case LoseJob():
            return lose(job, command)
        case StartJob():
            return start(job, command)
        case FinalizeJob():
            return finalize(job, command)
        case CompleteJob():
            return complete(job, command)
        case FailJob():
            return fail(job, command)
        case ConfirmCancel():
            return confirm_cancel(job, command)
        case LoseAttempt():
            return lose_attempt(job, command)
        case RegisterOutput():
            must_have_named(job, command.output)
            if command.output in job.registered:
                return []  # whoever asks reads under which number
            return [OutputRegistered(command.output, command.model, command.version)]
        case RefuseOutput():
            must_have_named(job, command.output)
            known = job.registered.get(command.output, Registration())
            return [] if known.code else [RegistrationFailed(command.output, command.code, command.message)]
        case _:
            assert_never(command)


def submit(job: Job, command: SubmitJob) -> list[JobEvent]:
    if job.status == "Absent":
        return [JobSubmitted(command.spec, command.via)]
    others = differences(job.spec, command.spec) if job.spec else []
    if not others:
        return []  # The client retried: the job is already there.
    why = f"a job of this name exists already, and differs in {', '.join(others)}"
    raise Refused("job.exists", f"{why}; choose another name, or leave it out and one is made")


def update(job: Job, command: UpdateJob) -> list[JobEvent]:
    must_exist(job)
    event = JobUpdated(command.display_name, command.description, command.tags)
    return [event] if updated(job.spec, event) != job.spec else []


def cancel(job: Job, command: CancelJob) -> list[JobEvent]:
    must_exist(job)
    if job.status in TERMINAL or job.status == "CancelRequested":
        return []
    if job.status == "Queued":
        return [JobCancelRequested(command.reason), JobCanceled(job.attempt)]
    return [JobCancelRequested(command.reason)]


def archive(job: Job) -> list[JobEvent]:
    must_exist(job)
    if job.archived:
        return []
    if job.status not in TERMINAL:
        raise Refused("job.not_finished", f"the job is {job.status}; cancel it, or wait, before it is archived")
    return [JobArchived()]


def restore(job: Job) -> list[JobEvent]:
    must_exist(job)
    return [JobRestored()] if job.archived else []


def assign(job: Job, command: AssignJob) -> list[JobEvent]:
    if job.status in HELD and job.attempt == command.attempt and job.node == command.node:
        return []
    if job.status != "Queued":
        raise Refused("job.not_queued", f"the job is {job.status}")
    if command.attempt != job.attempt + 1:
        raise Refused("job.stale_attempt", f"the next attempt is {job.attempt + 1}, not {command.attempt}")
    return [JobAssigned(command.attempt, command.node, command.incarnation)]


def lose(job: Job, command: LoseJob) -> list[JobEvent]:
    if job.attempt != command.attempt or job.status not in HELD:
        return []  # Somebody else noticed first, or the executor finished in time.
    if job.status == "CancelRequested":
        return [JobLost(command.attempt, command.reason), JobCanceled(command.attempt)]
    if job.attempt < ATTEMPTS_MAX:
        return [JobLost(command.attempt, command.reason)]
    message = f"each of its {ATTEMPTS_MAX} attempts was lost; the last one: {command.reason}"
    return [JobLost(command.attempt, command.reason), JobFailed(command.attempt, "node_lost", message)]


def lose_attempt(job: Job, command: LoseAttempt) -> list[JobEvent]:
    if job.attempt == command.attempt and job.status not in HELD:
        return []  # Said twice, or the scheduler noticed first.
    must_hold(job, command)
    return lose(job, LoseJob(command.attempt, command.reason))


def start(job: Job, command: StartJob) -> list[JobEvent]:
    must_hold(job, command)
    if job.status == "Preparing":
        return [JobStarted(command.attempt, command.node, command.sandbox)]
    if job.status == "CancelRequested":
        raise Refused("job.cancel_requested", "the job was canceled before it started")
    return []


def finalize(job: Job, command: FinalizeJob) -> list[JobEvent]:
    must_hold(job, command)
    return [JobFinalizing(command.attempt)] if job.status == "Running" else []


def complete(job: Job, command: CompleteJob) -> list[JobEvent]:
    if job.status == "Completed" and job.attempt == command.attempt:
        return []
    must_hold(job, command)
    if job.status == "Preparing":
        raise Refused("job.not_started", "an attempt that was not started cannot be complete")
    return [JobCompleted(command.attempt, **left_by(command))]


def fail(job: Job, command: FailJob) -> list[JobEvent]:
    if job.status == "Failed" and job.attempt == command.attempt:
        return []
    must_hold(job, command)
    return [JobFailed(command.attempt, command.code, command.message, command.exit_code, **left_by(command))]


def confirm_cancel(job: Job, command: ConfirmCancel) -> list[JobEvent]:
    if job.status == "Canceled" and job.attempt == command.attempt:
        return []
    must_hold(job, command)
    if job.status != "CancelRequested":
        raise Refused("job.not_canceled", f"nobody asked to cancel the job; it is {job.status}")
    return [JobCanceled(command.attempt, **left_by(command))]


def left_by(said: CompleteJob | FailJob | ConfirmCancel | JobCompleted | JobFailed | JobCanceled) -> dict[str, Any]:
    """What an attempt left, as fields that its command, its event and the job have alike."""
    names = ("outputs", "logs", "seconds", "left_out", "left_out_count")
    return {name: getattr(said, name) for name in names}


def must_have_named(job: Job, output: str) -> None:
    must_exist(job)
    if job.status != "Completed":
        raise Refused("job.not_finished", f"the job is {job.status}; outputs are registered when it is Completed")
    if job.spec is None or output not in job.spec.outputs or not job.spec.outputs[output].name:
        raise Refused("job.output_absent", f"the job has no output {output[:80]!r} that is to be registered")


def must_exist(job: Job) -> None:
    if job.status == "Absent":
        raise Refused("job.absent", "there is no job of this name")


def must_hold(job: Job, command: ExecutorCommand) -> None:
    """The fence: only the attempt that is assigned now, on its node, may say anything."""
    must_exist(job)
    if job.attempt != command.attempt or job.node != command.node or job.status not in HELD:
        held = f"attempt {job.attempt} on {job.node or 'no node'}, {job.status}"
        raise Refused("job.stale_attempt", f"attempt {command.attempt} on {command.node} is over: the job is at {held}")


def summary(job: Job) -> Summary:
    spec = job.spec
    return Summary(job.status, spec.experiment if spec else "", spec.tags if spec else {}, job.archived)


JOB: Aggregate[JobCommand, JobEvent, Job] = Aggregate(
    "job",
    state=Job,
    commands=JobCommand,
    events=JobEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
    told={
        "job.submitted": (
            "via",
            "spec.display_name",
            "spec.experiment",
            "spec.compute",
            "spec.tags",
            "spec.instance_count",
            "spec.timeout_seconds",
            "spec.identity",
            "spec.network",
            "spec.environment.source",
            "spec.environment.image",
        )
    },
)
