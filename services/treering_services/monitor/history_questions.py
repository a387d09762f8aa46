"""Questions about resources in time: how they were at a moment, and how long in which status."""

from __future__ import annotations

from treering.views import queries
from treering.views.copy import at
from treering.views.lifecycle import lifecycle
from treering_services.monitor.question import Asked, Question


async def answer_at(monitor: Asked, query: queries.AtQuery) -> queries.AtAnswer:
    copy = monitor.stores.copy
    return await copy.read(lambda db: at(db, query, copy.path))


async def answer_lifecycle(monitor: Asked, query: queries.LifecycleQuery) -> queries.LifecycleAnswer:
    return await monitor.stores.readers.lifecycle.read(lambda db: lifecycle(db, query))


HISTORY_QUESTIONS = {
    "at": Question(queries.AtQuery, answer_at),
    "lifecycle": Question(queries.LifecycleQuery, answer_lifecycle),
}
