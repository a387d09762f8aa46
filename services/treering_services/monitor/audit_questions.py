"""Questions about events: which there are, how many, and the story of one resource."""

from __future__ import annotations

from treering.views import queries
from treering.views.audit_answers import audit, story
from treering.views.audit_counts import count
from treering_services.monitor.question import Asked, Question


async def answer_audit(monitor: Asked, query: queries.AuditQuery) -> queries.AuditAnswer:
    await monitor.projector.reached(query.after)
    if query.text:
        await monitor.stores.search.catch_up()
    return await monitor.stores.readers.audit.read(lambda db: audit(db, query))


async def answer_count(monitor: Asked, query: queries.CountQuery) -> queries.CountAnswer:
    return await monitor.stores.readers.audit.read(lambda db: count(db, query))


async def answer_story(monitor: Asked, query: queries.StoryQuery) -> queries.StoryAnswer:
    return await monitor.stores.readers.audit.read(lambda db: story(db, query))


AUDIT_QUESTIONS = {
    "audit": Question(queries.AuditQuery, answer_audit),
    "count": Question(queries.CountQuery, answer_count),
    "story": Question(queries.StoryQuery, answer_story),
}
