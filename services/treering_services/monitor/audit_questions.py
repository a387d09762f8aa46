"""Questions about events: which there are, how many, and the story of one resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from treering.adapters.sqlite_view import Database
from treering.kernel.refusal import Refused
from treering.views import queries
from treering.views.audit_answers import audit, story
from treering.views.audit_counts import count
from treering_services.monitor.log_end import check_window_written, check_written
from treering_services.monitor.question import Asked, Question

T = TypeVar("T")


async def surely(monitor: Asked, ask: Callable[[Database], T]) -> T:
    """The answer; what is not there is believed only of a view that has all that was in the log."""
    shown = monitor.projector.position
    try:
        return await monitor.stores.readers.audit.read(ask)
    except Refused as refused:
        if refused.code.rpartition(".")[2] not in ("unknown", "absent"):
            raise
        head = await monitor.head()
        if shown >= head:
            raise
        await monitor.projector.reached(head)
    return await monitor.stores.readers.audit.read(ask)


async def answer_audit(monitor: Asked, query: queries.AuditQuery) -> queries.AuditAnswer:
    await check_written(monitor, str(query.after), "after")
    await monitor.projector.reached(query.after)
    if not query.unseen:
        await check_window_written(monitor, query.since, query.until)
    if query.text:
        await monitor.stores.search.catch_up()
    return await surely(monitor, lambda db: audit(db, query))


async def answer_count(monitor: Asked, query: queries.CountQuery) -> queries.CountAnswer:
    if not query.unseen:
        await check_window_written(monitor, query.since, query.until)
    return await surely(monitor, lambda db: count(db, query))


async def answer_story(monitor: Asked, query: queries.StoryQuery) -> queries.StoryAnswer:
    return await surely(monitor, lambda db: story(db, query))


AUDIT_QUESTIONS = {
    "audit": Question(queries.AuditQuery, answer_audit),
    "count": Question(queries.CountQuery, answer_count),
    "story": Question(queries.StoryQuery, answer_story),
}
