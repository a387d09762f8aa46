"""Outputs of jobs that are to be registered under a name, from the submission until it is done or was refused.

    (absent) --job.submitted--> asked --job.completed--> due --job.output_registered--> numbered
    numbered --model.created--> (absent)
    due, numbered --job.registration_failed--> (absent)
    asked --job.failed, job.canceled--> (absent)

Whoever registers them may die at any step: what is here is what is left to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from treering.adapters.sqlite_view import Database
from treering.domain.job import JOB
from treering.domain.job_messages import (
    JobCanceled,
    JobCompleted,
    JobFailed,
    JobSubmitted,
    OutputRegistered,
    RegistrationFailed,
)
from treering.domain.job_spec import JobSpec, is_model_output
from treering.domain.model import MODEL, ModelCreated
from treering.domain.registered_model import registered_model_key
from treering.kernel.points import PointsEntry
from treering.views.tracking.parts import Change

ONE_JOB = "workspace = ? AND job = ?"


class DueOutput(NamedTuple):
    """``cause`` is the commit with which the job completed."""

    workspace: str
    job: str
    output: str
    cause: str
    trace: str


class NamedOutputsPart:
    version = "2"
    kinds = frozenset({JOB.kind, MODEL.kind})
    schema = """
    CREATE TABLE IF NOT EXISTS named_outputs (
      workspace TEXT NOT NULL, job TEXT NOT NULL, output TEXT NOT NULL, cause TEXT NOT NULL, trace TEXT NOT NULL,
      model TEXT NOT NULL, completed_position INTEGER,
      PRIMARY KEY (workspace, job, output)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS named_outputs_due ON named_outputs (completed_position)
      WHERE completed_position IS NOT NULL;
    CREATE INDEX IF NOT EXISTS named_outputs_model ON named_outputs (workspace, model) WHERE model <> '';
    """

    def change(self, db: Database, change: Change) -> None:
        workspace, _, key = change.address
        for event in change.events:
            match event:
                case JobSubmitted():
                    asked(db, workspace, key, event.spec)
                case JobCompleted():
                    sql = f"UPDATE named_outputs SET cause = ?, trace = ?, completed_position = ? WHERE {ONE_JOB}"
                    db.execute(sql, (change.commit.id, change.commit.trace, change.position, workspace, key))
                case JobFailed() | JobCanceled():
                    db.execute(f"DELETE FROM named_outputs WHERE {ONE_JOB}", (workspace, key))
                case OutputRegistered():
                    model = f"{registered_model_key(event.model)}:{event.version}"
                    values = (model, workspace, key, event.output)
                    db.execute(f"UPDATE named_outputs SET model = ? WHERE {ONE_JOB} AND output = ?", values)
                case RegistrationFailed():
                    one = (workspace, key, event.output)
                    db.execute(f"DELETE FROM named_outputs WHERE {ONE_JOB} AND output = ?", one)
                case ModelCreated():
                    sql = "DELETE FROM named_outputs WHERE workspace = ? AND model = ? AND model <> ''"
                    db.execute(sql, (workspace, key))
                case _:
                    pass

    def points(self, db: Database, entries: Sequence[PointsEntry]) -> None:
        """Metric points say nothing about outputs."""


def asked(db: Database, workspace: str, job: str, spec: JobSpec) -> None:
    named = [name for name, output in spec.outputs.items() if is_model_output(output)]
    rows = [(workspace, job, name, "", "", "", None) for name in named]
    db.executemany("INSERT OR REPLACE INTO named_outputs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def due_outputs(db: Database, limit: int) -> list[DueOutput]:
    """Those of jobs that have completed, whoever completed first first: they compete for names and numbers."""
    sql = """
    SELECT workspace, job, output, cause, trace FROM named_outputs
    WHERE completed_position IS NOT NULL ORDER BY completed_position, output LIMIT ?
    """
    return [DueOutput(*row) for row in db.execute(sql, (limit,))]
