"""The saved questions of auditors."""

from __future__ import annotations

from treering.views import saved_questions
from treering_services.monitor.audit_questions import surely
from treering_services.monitor.log_end import check_window_written
from treering_services.monitor.question import Asked, Question


async def answer_ask(monitor: Asked, query: saved_questions.AskQuery) -> saved_questions.AskAnswer:
    asked = saved_questions.question_named(query.name)
    await check_window_written(monitor, query.since, query.until)
    if asked.fresh:
        await monitor.projector.reached(await monitor.head())
    if asked.words:
        await monitor.stores.search.catch_up()
    return await surely(monitor, lambda db: saved_questions.ask(db, query))


async def answer_asks(monitor: Asked, query: saved_questions.QuestionsQuery) -> saved_questions.QuestionsAnswer:
    return saved_questions.asks()


ASK_QUESTIONS = {
    "ask": Question(saved_questions.AskQuery, answer_ask),
    "asks": Question(saved_questions.QuestionsQuery, answer_asks),
}
