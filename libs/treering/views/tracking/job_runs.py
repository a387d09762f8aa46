"""The run of a job, from the events of the job: it is there when the job is submitted, before its script logs."""

from __future__ import annotations

from typing import Any

from treering.adapters.sqlite_view import Database
from treering.domain.job_messages import (
    JobCanceled,
    JobCompleted,
    JobFailed,
    JobLost,
    JobStarted,
    JobSubmitted,
    JobUpdated,
)
from treering.domain.job_spec import JobSpec
from treering.domain.run import NAME_TAG
from treering.views.tracking.parts import Change
from treering.views.tracking.run_tables import add_run, number_of, set_params, set_tags

# What a status of the job is in MLflow's words, by the event that leads to it.
STATUSES: dict[type, str] = {
    JobStarted: "RUNNING",
    JobLost: "SCHEDULED",
    JobCompleted: "FINISHED",
    JobFailed: "FAILED",
    JobCanceled: "KILLED",
}
ENDS = (JobCompleted, JobFailed, JobCanceled)
GIT_TAGS = {
    "commit": "mlflow.source.git.commit",
    "branch": "mlflow.source.git.branch",
    "repository": "mlflow.source.git.repoURL",
}


def follow_job(db: Database, change: Change) -> None:
    known = number_of(db, change.address.workspace, change.address.key)
    for event in change.events:
        if isinstance(event, JobSubmitted):
            if known is None:
                known = submitted(db, change, event.spec)
        elif known is not None:
            alter(db, change, *known, event)


def submitted(db: Database, change: Change, spec: JobSpec) -> tuple[int, int]:
    name, user = spec.display_name or change.address.key, change.commit.actor
    known = add_run(db, change, spec.experiment, name, user, "SCHEDULED", change.at_ms, of_job=True)
    params = {key: one.literal for key, one in spec.inputs.items() if one.value is not None}
    set_params(db, *known, params)
    git = {GIT_TAGS[word]: value for word, value in spec.git.items() if word in GIT_TAGS}
    source = {"mlflow.source.type": "JOB", "mlflow.source.name": spec.command, "mlflow.user": user}
    set_tags(db, *known, {**source, **git, **spec.tags, NAME_TAG: name})
    return known


def alter(db: Database, change: Change, number: int, experiment: int, event: Any) -> None:
    if isinstance(event, JobUpdated):
        tags = dict(event.tags or {})
        if event.display_name:
            tags[NAME_TAG] = event.display_name
            db.execute("UPDATE runs SET name = ? WHERE number = ?", (event.display_name, number))
        set_tags(db, number, experiment, tags)
    elif status := STATUSES.get(type(event)):
        ended = change.at_ms if isinstance(event, ENDS) else None
        db.execute("UPDATE runs SET status = ?, end_time = ? WHERE number = ?", (status, ended, number))
