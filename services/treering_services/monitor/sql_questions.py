"""Questions in SQL over the documented views."""

from __future__ import annotations

import asyncio

from treering.adapters.names import proven_names
from treering.adapters.sqlite_view import Database
from treering.views import sql_answers
from treering_services.monitor.question import Asked, Question


async def answer_sql(monitor: Asked, query: sql_answers.SqlQuery) -> sql_answers.SqlAnswer:
    sql = monitor.stores.readers.sql
    people = (await asyncio.to_thread(proven_names, monitor.home)).names

    def answer(db: Database) -> sql_answers.SqlAnswer:
        sql.tell(db, people)
        return sql_answers.select(db, query, sql.guard)

    return await sql.readers.read(answer, sql_answers.SECONDS_MAX)


async def answer_sql_views(monitor: Asked, query: sql_answers.SqlViewsQuery) -> sql_answers.SqlViewsAnswer:
    return await monitor.stores.readers.sql.readers.read(sql_answers.documented)


SQL_QUESTIONS = {
    "sql": Question(sql_answers.SqlQuery, answer_sql),
    "sql_views": Question(sql_answers.SqlViewsQuery, answer_sql_views),
}
