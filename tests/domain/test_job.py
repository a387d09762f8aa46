"""What a job may and may not do."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from treering.domain.job import ATTEMPTS_MAX, JOB, Job, submit
from treering.domain.job_messages import (
    ArchiveJob,
    AssignJob,
    CancelJob,
    CompleteJob,
    ConfirmCancel,
    FailJob,
    JobArchived,
    JobAssigned,
    JobCanceled,
    JobCancelRequested,
    JobCompleted,
    JobFailed,
    JobLost,
    JobStarted,
    JobSubmitted,
    LoseAttempt,
    LoseJob,
    OutputRegistered,
    RefuseOutput,
    RegisterOutput,
    RegistrationFailed,
    StartJob,
    SubmitJob,
)
from treering.domain.sealed import Sealed
from treering.kernel.refusal import Refused
from treering.testing.examples import LEFT_OUT, SEALED, SEALED_SPEC, SPEC
from treering.testing.scenario import given

SUBMITTED = JobSubmitted(SPEC)
ASSIGNED = JobAssigned(1, "n1", "i1")
STARTED = JobStarted(1, "n1")
LOST = JobLost(1, "its node is gone")
COMPLETED = JobCompleted(1)


def test_a_new_job_is_queued() -> None:
    given(JOB).when(SubmitJob(SPEC)).then(SUBMITTED)


def test_another_job_of_the_same_name_is_refused() -> None:
    given(JOB, SUBMITTED).when(SubmitJob(type(SPEC)("true", SPEC.environment))).is_refused("job.exists")


def test_a_refusal_of_the_same_name_says_what_differs_as_a_yaml_calls_it() -> None:
    others: dict[str, Any] = {
        "command": "true",
        "experiment": "e",
        "timeout_seconds": 1.0,
        "code": "sha256:x",
        "code_path": "y",
    }
    said = "command, code, experiment_name, limits.timeout"
    with pytest.raises(Refused, match=f"exists already, and differs in {said};"):
        submit(Job(status="Queued", spec=SPEC), SubmitJob(replace(SPEC, **others)))


def test_only_one_node_may_have_a_job() -> None:
    given(JOB, SUBMITTED, ASSIGNED).when(AssignJob(1, "n2", "i2")).is_refused("job.not_queued")


def test_only_the_assigned_node_may_start_a_job() -> None:
    given(JOB, SUBMITTED, ASSIGNED).when(StartJob(1, "n2")).is_refused("job.stale_attempt")


def test_an_attempt_that_was_lost_may_not_start() -> None:
    given(JOB, SUBMITTED, ASSIGNED, LOST).when(StartJob(1, "n1")).is_refused("job.stale_attempt")


def test_an_attempt_that_was_lost_may_not_report() -> None:
    again = JobAssigned(2, "n1", "i2")
    given(JOB, SUBMITTED, ASSIGNED, STARTED, LOST, again).when(CompleteJob(1, "n1")).is_refused("job.stale_attempt")


def test_a_lost_attempt_puts_the_job_back_in_the_queue() -> None:
    given(JOB, SUBMITTED, ASSIGNED, STARTED).when(LoseJob(1, LOST.reason)).then(LOST)


def test_a_job_that_is_lost_too_often_fails() -> None:
    last = JobAssigned(ATTEMPTS_MAX, "n1", "i9")
    outcome = given(JOB, SUBMITTED, last).when(LoseJob(ATTEMPTS_MAX, "gone"))
    assert [type(event) for event in outcome.events] == [JobLost, JobFailed]


def test_losing_an_attempt_that_was_canceled_cancels_the_job() -> None:
    asked = JobCancelRequested()
    given(JOB, SUBMITTED, ASSIGNED, asked).when(LoseJob(1, LOST.reason)).then(LOST, JobCanceled(1))


def test_a_node_that_failed_on_an_attempt_puts_the_job_back_in_the_queue() -> None:
    given(JOB, SUBMITTED, ASSIGNED, STARTED).when(LoseAttempt(1, "n1", LOST.reason)).then(LOST)
    given(JOB, SUBMITTED, ASSIGNED, STARTED, LOST).when(LoseAttempt(1, "n1", LOST.reason)).nothing_happens()


def test_a_node_may_not_lose_an_attempt_that_is_not_its_own() -> None:
    given(JOB, SUBMITTED, ASSIGNED, STARTED).when(LoseAttempt(1, "n2", "gone")).is_refused("job.stale_attempt")
    given(JOB, SUBMITTED, ASSIGNED, LOST, JobAssigned(2, "n2", "i2")).when(LoseAttempt(1, "n1", "gone")).is_refused(
        "job.stale_attempt"
    )


def test_a_queued_job_is_canceled_at_once() -> None:
    given(JOB, SUBMITTED).when(CancelJob()).then(JobCancelRequested(), JobCanceled(0))


def test_a_running_job_is_canceled_when_its_executor_says_so() -> None:
    given(JOB, SUBMITTED, ASSIGNED, STARTED).when(CancelJob()).then(JobCancelRequested())
    given(JOB, SUBMITTED, ASSIGNED, STARTED, JobCancelRequested()).when(ConfirmCancel(1, "n1")).then(JobCanceled(1))


def test_a_canceled_job_may_not_start() -> None:
    given(JOB, SUBMITTED, ASSIGNED, JobCancelRequested()).when(StartJob(1, "n1")).is_refused("job.cancel_requested")


def test_a_finished_job_cannot_be_canceled() -> None:
    given(JOB, SUBMITTED, ASSIGNED, STARTED, COMPLETED).when(CancelJob()).nothing_happens()


def test_an_attempt_may_fail_before_it_starts() -> None:
    reason = ("environment.unsolvable", "no version fits")
    given(JOB, SUBMITTED, ASSIGNED).when(FailJob(1, "n1", *reason)).then(JobFailed(1, *reason))


def test_an_attempt_that_was_not_started_cannot_complete() -> None:
    given(JOB, SUBMITTED, ASSIGNED).when(CompleteJob(1, "n1")).is_refused("job.not_started")


def test_what_was_left_out_of_its_outputs_is_part_of_the_job_however_it_ends() -> None:
    gaps: dict[str, Any] = {"left_out": (LEFT_OUT,), "left_out_count": 3}
    asked = JobCancelRequested()
    for before, command, event in (
        ((STARTED,), CompleteJob(1, "n1", **gaps), JobCompleted(1, **gaps)),
        (
            (STARTED,),
            FailJob(1, "n1", "exit_code", "with 2", 2, **gaps),
            JobFailed(1, "exit_code", "with 2", 2, **gaps),
        ),
        ((STARTED, asked), ConfirmCancel(1, "n1", **gaps), JobCanceled(1, **gaps)),
    ):
        given(JOB, SUBMITTED, ASSIGNED, *before).when(command).then(event)
        job = JOB.evolve(Job(), event)
        assert (job.left_out, job.left_out_count) == ((LEFT_OUT,), 3)


def test_only_a_finished_job_can_be_archived() -> None:
    given(JOB, SUBMITTED).when(ArchiveJob()).is_refused("job.not_finished")
    given(JOB, SUBMITTED, ASSIGNED, STARTED, COMPLETED).when(ArchiveJob()).then(JobArchived())


NAMED = (SUBMITTED, ASSIGNED, STARTED, COMPLETED)


def test_of_two_numbers_for_a_named_output_the_first_one_holds() -> None:
    first = RegisterOutput("named", "net", 1)
    given(JOB, *NAMED).when(first).then(OutputRegistered("named", "net", 1))
    given(JOB, *NAMED, OutputRegistered("named", "net", 1)).when(RegisterOutput("named", "net", 2)).nothing_happens()


def test_only_a_named_output_of_a_completed_job_is_registered() -> None:
    given(JOB, SUBMITTED, ASSIGNED, STARTED).when(RegisterOutput("named", "net", 1)).is_refused("job.not_finished")
    for output in ("model", "none"):
        given(JOB, *NAMED).when(RegisterOutput(output, "net", 1)).is_refused("job.output_absent")


def test_a_version_that_turned_out_to_be_impossible_is_refused_after_all() -> None:
    refuse = RefuseOutput("named", "model.exists", "it is taken")
    failed = RegistrationFailed("named", "model.exists", "it is taken")
    given(JOB, *NAMED, OutputRegistered("named", "net", 1)).when(refuse).then(failed)
    given(JOB, *NAMED, failed).when(RegisterOutput("named", "net", 1)).nothing_happens()


def test_a_job_with_secret_variables_is_the_same_only_with_the_same_values() -> None:
    sealed = given(JOB, JobSubmitted(SEALED_SPEC))
    again = replace(SEALED_SPEC, sealed=Sealed("job-another", SEALED.macs))
    sealed.when(SubmitJob(again)).nothing_happens()
    for other in (SPEC, replace(SEALED_SPEC, sealed=Sealed("job-0f", {"DB_PASSWORD": "1" * 64}))):
        sealed.when(SubmitJob(other)).is_refused("job.exists")
