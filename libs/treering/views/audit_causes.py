"""What led to the present state of a resource: all that was done to it, and what each of these was done because of."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from treering.adapters.sqlite_view import Database
from treering.domain.job import JOB
from treering.domain.logged_model import LOGGED_MODEL
from treering.domain.run import RUN
from treering.views.audit_answers import audit, because
from treering.views.queries import AuditQuery, AuditRow

STEPS_MAX = 64  # of one chain of causes
JOB_ACTOR = "job:"
MADE_FROM_RUNS = ("model.created", "logged_model.created")


class MadeOf(Struct, frozen=True):
    run_id: str = ""
    source_run_id: str = ""
    model_id: str = ""
    source: str = ""
    storage: str = ""


class Made(Struct, frozen=True):
    """What is read of the creation of a model: what it was made of, and the run it was made by."""

    spec: MadeOf = MadeOf()


made = msgspec.json.Decoder(Made)


def with_causes(db: Database, asked: AuditQuery) -> tuple[list[AuditRow], str]:
    """The events of the resource that ``asked`` names, a page of them, and the chains of causes that end in them,
    the newest first; and the mark of the next page.

    A cause may be another resource's: of that one only the event is told that was the cause, and its own cause.
    """
    answer = audit(db, asked)
    found = {row.position: row for row in answer.rows}
    rows = [*answer.rows]
    for own in answer.rows:
        step: AuditRow | None = own
        for _ in range(STEPS_MAX):
            step = cause_of(db, step) if step else None
            if step is None or step.position in found or is_own(asked, step):
                break
            found[step.position] = step
            rows.append(step)
    return sorted(rows, key=lambda row: (row.position, row.index), reverse=True), answer.next


def is_own(asked: AuditQuery, step: AuditRow) -> bool:
    """Told by itself, on this page or another."""
    return (step.workspace, step.kind, step.name) == (asked.workspace, asked.kind, asked.name)


def cause_of(db: Database, row: AuditRow) -> AuditRow | None:
    """The event that a row names as its cause, else the job or the run that it came from; None at the beginning, or
    where the cause is not in the log."""
    reason = because(db, row.cause)
    if reason is None or reason.position >= row.position:  # a request's own id names its first commit
        return by_job(db, row) or from_run(db, row)
    at = str(reason.position)
    found = audit(db, AuditQuery(since=at, until=at, oldest_first=True, limit=1)).rows
    return found[0] if found else None


def by_job(db: Database, row: AuditRow) -> AuditRow | None:
    """What a job's script did was caused by the start of the attempt that ran it."""
    actor = row.via or row.actor
    if not actor.startswith(JOB_ACTOR):
        return None
    return last_before(db, row, JOB.kind, actor.removeprefix(JOB_ACTOR), "job.started")


def from_run(db: Database, row: AuditRow) -> AuditRow | None:
    """What somebody made a model of: a logged model, or the end of the job whose run it was, else the creation of the
    run. A run that was only named is no cause: the files are not of it, and whoever named it did not make it."""
    if row.type not in MADE_FROM_RUNS or row.data_bytes:
        return None
    spec = made.decode(row.data).spec
    if spec.model_id:
        return last_before(db, row, LOGGED_MODEL.kind, spec.model_id, "logged_model.created")
    run = spec.run_id or spec.source_run_id
    if not run:
        return None
    maker = last_before(db, row, JOB.kind, run, "job.submitted") or last_before(db, row, RUN.kind, run, "run.created")
    # The gateway takes a place in its own care only from the run that owns it.
    lies_with = (spec.storage or spec.source).startswith(("runs:/", "mlflow-artifacts:/"))
    if maker is None or not (lies_with or maker.actor == row.actor):
        return None
    ended = last_before(db, row, JOB.kind, run, "job.started,job.completed,job.failed,job.canceled")
    return ended or last_before(db, row, RUN.kind, run, "run.created")


def last_before(db: Database, row: AuditRow, kind: str, name: str, types: str) -> AuditRow | None:
    """The newest event of these types of a resource in the row's workspace, before the row."""
    asked = AuditQuery(
        workspace=row.workspace, kind=kind, name=name, type=types, until=str(row.position - 1), limit=1, unseen=True,
        own=True,
    )  # fmt: skip
    found = audit(db, asked).rows
    return found[0] if found else None
