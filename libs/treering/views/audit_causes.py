"""What led to the present state of a resource: all that was done to it, and what each of these was done because of."""

from __future__ import annotations

from treering.adapters.sqlite_view import Database
from treering.views.audit_answers import audit, because
from treering.views.queries import AuditQuery, AuditRow

STEPS_MAX = 64  # of one chain of causes


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
    """The event that a row names as its cause; None at the beginning, or where the cause is not in the log."""
    reason = because(db, row.cause)
    if reason is None:
        return None
    at = str(reason.position)
    found = audit(db, AuditQuery(since=at, until=at, oldest_first=True, limit=1)).rows
    return found[0] if found else None
