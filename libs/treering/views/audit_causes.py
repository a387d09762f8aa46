"""What led to the present state of a resource: all that was done to it, and what each of these was done because of."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from treering.adapters.sqlite_view import Database
from treering.domain.job import JOB
from treering.domain.logged_model import LOGGED_MODEL
from treering.domain.run import RUN
from treering.views.audit_answers import audit, because
from treering.views.input_makers import Maker, maker_of
from treering.views.queries import AuditQuery, AuditRow

STEPS_MAX = 64  # from one event to all that led to it
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


class Given(Struct, frozen=True):
    path: str = ""
    digest: str = ""


class Taken(Struct, frozen=True):
    inputs: dict[str, Given] = {}


class Submitted(Struct, frozen=True):
    """What is read of the submission of a job: what it was given."""

    spec: Taken = Taken()


submitted = msgspec.json.Decoder(Submitted)


def with_causes(db: Database, asked: AuditQuery) -> tuple[list[AuditRow], str]:
    """The events of the resource that ``asked`` names, a page of them, and the chains of causes that end in them,
    the newest first; and the mark of the next page.

    A cause may be another resource's: of that one only the event is told that was the cause, and its own cause.
    """
    answer = audit(db, asked)
    found = {row.position: row for row in answer.rows}
    rows = [*answer.rows]
    for own in answer.rows:
        steps, left = [own], STEPS_MAX
        while steps and left:
            for step in causes_of(db, steps.pop()):
                if left == 0 or step.position in found or is_own(asked, step):
                    continue
                found[step.position] = step
                rows.append(step)
                steps.append(step)
                left -= 1
    return sorted(rows, key=lambda row: (row.position, row.index), reverse=True), answer.next


def is_own(asked: AuditQuery, step: AuditRow) -> bool:
    """Told by itself, on this page or another."""
    return (step.workspace, step.kind, step.name) == (asked.workspace, asked.kind, asked.name)


def causes_of(db: Database, row: AuditRow) -> list[AuditRow]:
    """What an event came from: its cause, and of the submission of a job also what made its inputs."""
    cause = cause_of(db, row)
    return [*([cause] if cause else []), *made_inputs(db, row)]


def made_inputs(db: Database, row: AuditRow) -> list[AuditRow]:
    """The ends of the jobs, and the creations of the models and runs, whose files a job was given."""
    if row.type != "job.submitted" or row.data_bytes:
        return []
    given = [one.path for one in submitted.decode(row.data).spec.inputs.values() if one.digest]
    makers = dict.fromkeys(maker for path in given if (maker := maker_of(path)))
    rows = [made_by(db, row, maker) for maker in list(makers)[:STEPS_MAX]]
    return [one for one in rows if one is not None]


def made_by(db: Database, row: AuditRow, maker: Maker) -> AuditRow | None:
    if maker.kind in (JOB.kind, RUN.kind):
        ended = last_before(db, row, JOB.kind, maker.key, "job.completed,job.failed,job.canceled,job.started")
        return ended or last_before(db, row, RUN.kind, maker.key, "run.created")
    return last_before(db, row, maker.kind, maker.key, f"{maker.kind}.created")


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
