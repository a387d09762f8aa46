"""Runs with their parameters, tags, data sets and models; those of jobs come from the events of the job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from treering.adapters.sqlite_view import Database
from treering.domain.experiment_messages import ExperimentArchived, ExperimentRestored
from treering.domain.run import NAME_TAG
from treering.domain.run_messages import (
    RunCreated,
    RunDeleted,
    RunInputsLogged,
    RunOutputsLogged,
    RunParamsLogged,
    RunRestored,
    RunTagDeleted,
    RunTagsSet,
    RunUpdated,
)
from treering.kernel.log import encoder
from treering.kernel.points import PointsEntry
from treering.views.tracking.experiments import DELETED, id_of_key
from treering.views.tracking.job_runs import follow_job
from treering.views.tracking.parts import Change
from treering.views.tracking.run_tables import SCHEMA, add_run, number_of, set_params, set_tags

CONTEXT_TAG = "mlflow.data.context"


class RunsPart:
    version = "1"
    kinds = frozenset({"run", "job", "experiment"})
    schema = SCHEMA

    def change(self, db: Database, change: Change) -> None:
        match change.address.kind:
            case "run":
                follow_run(db, change)
            case "job":
                follow_job(db, change)
            case _:
                follow_experiment(db, change)

    def points(self, db: Database, entries: Sequence[PointsEntry]) -> None:
        """Metric points have tables of their own."""


def follow_experiment(db: Database, change: Change) -> None:
    """Runs are deleted with their experiment, and come back with it unless they were deleted themselves."""
    for event in change.events:
        if isinstance(event, ExperimentArchived | ExperimentRestored):
            id = id_of_key(db, change.address.workspace, change.address.key)
            lifecycle = str(DELETED) if isinstance(event, ExperimentArchived) else "deleted"
            db.execute(f"UPDATE runs SET lifecycle = {lifecycle} WHERE experiment = ?", (id,))


def follow_run(db: Database, change: Change) -> None:
    known = number_of(db, change.address.workspace, change.address.key)
    for event in change.events:
        if isinstance(event, RunCreated):
            if known is None:
                known = create(db, change, event)
            db.execute("UPDATE runs SET logged = 1 WHERE number = ?", (known[0],))
        elif known is not None:
            alter(db, *known, event)


def create(db: Database, change: Change, event: RunCreated) -> tuple[int, int]:
    """The new run's number and experiment."""
    known = add_run(
        db, change, event.experiment, event.name, event.user, "RUNNING", event.start_time, of_job=event.of_job
    )
    set_tags(db, *known, {**event.tags, NAME_TAG: event.name} if event.name else event.tags)
    return known


def alter(db: Database, number: int, experiment: int, event: Any) -> None:
    match event:
        case RunParamsLogged():
            set_params(db, number, experiment, event.params)
        case RunTagsSet():
            set_tags(db, number, experiment, event.tags)
            if NAME_TAG in event.tags:
                db.execute("UPDATE runs SET name = ? WHERE number = ?", (event.tags[NAME_TAG], number))
        case RunTagDeleted():
            db.execute("DELETE FROM run_tags WHERE run = ? AND key = ?", (number, event.key))
        case RunUpdated():
            update(db, number, experiment, event)
        case RunDeleted():
            db.execute("UPDATE runs SET deleted = 1, lifecycle = 1 WHERE number = ?", (number,))
        case RunRestored():
            stage = "(SELECT lifecycle FROM experiments WHERE id = runs.experiment)"
            db.execute(f"UPDATE runs SET deleted = 0, lifecycle = {stage} WHERE number = ?", (number,))
        case RunInputsLogged():
            add_inputs(db, number, experiment, event)
        case RunOutputsLogged():
            models = [(number, model.model_id, model.step) for model in event.models]
            db.executemany("INSERT OR IGNORE INTO run_models VALUES (?, 1, ?, ?)", models)
        case _:
            pass  # artifacts are shown by a part of their own


def update(db: Database, number: int, experiment: int, event: RunUpdated) -> None:
    db.execute(
        "UPDATE runs SET status = coalesce(?, status), end_time = coalesce(?, end_time), name = coalesce(?, name)"
        " WHERE number = ?",
        (event.status, event.end_time, event.name or None, number),
    )
    if event.name:
        set_tags(db, number, experiment, {NAME_TAG: event.name})


def add_inputs(db: Database, number: int, experiment: int, event: RunInputsLogged) -> None:
    rows = [
        (number, one.name, one.digest, one.tags.get(CONTEXT_TAG), experiment, encoder.encode(one))
        for one in event.datasets
    ]
    db.executemany("INSERT OR IGNORE INTO run_datasets VALUES (?, ?, ?, ?, ?, ?)", rows)
    models = [(number, model) for model in event.models]
    db.executemany("INSERT OR IGNORE INTO run_models VALUES (?, 0, ?, 0)", models)
