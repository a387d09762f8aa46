"""Questions about durations, usage, and what is stuck."""

from __future__ import annotations

from treering.config import Thresholds
from treering.views import queries, time_queries
from treering.views.lifecycle_answers import by_parent, lifecycle
from treering.views.stuck import stuck
from treering.views.usage_answers import usage
from treering_services.monitor.question import Asked, Question


async def answer_lifecycle(monitor: Asked, query: queries.LifecycleQuery) -> queries.LifecycleAnswer:
    if query.name:
        await monitor.projector.reached(await monitor.head())
    return await monitor.stores.readers.lifecycle.read(lambda db: lifecycle(db, query))


async def answer_by_parent(monitor: Asked, query: time_queries.ByParentQuery) -> time_queries.ByParentAnswer:
    return await monitor.stores.readers.lifecycle.read(lambda db: by_parent(db, query))


async def answer_usage(monitor: Asked, query: time_queries.UsageQuery) -> time_queries.UsageAnswer:
    return await monitor.stores.readers.lifecycle.read(lambda db: usage(db, query))


async def answer_stuck(monitor: Asked, query: time_queries.StuckQuery) -> time_queries.StuckAnswer:
    thresholds = Thresholds.from_environment()
    return await monitor.stores.readers.lifecycle.read(lambda db: stuck(db, query, thresholds))


LIFECYCLE_QUESTIONS = {
    "lifecycle": Question(queries.LifecycleQuery, answer_lifecycle),
    "by_parent": Question(time_queries.ByParentQuery, answer_by_parent),
    "usage": Question(time_queries.UsageQuery, answer_usage),
    "stuck": Question(time_queries.StuckQuery, answer_stuck),
}
