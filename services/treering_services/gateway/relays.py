"""What the monitor answers (audit, story, lifecycle, the past, verification), passed on as it says it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.responses import Response

from treering.adapters.bus import question
from treering.kernel.bounds import Line, Name, Small
from treering.kernel.epochs import check_common, names_epoch, read_id
from treering.kernel.log import encoder
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import VERIFY_TIMEOUT_SECONDS
from treering.kernel.subjects import checked_name, plural, singular
from treering.views.queries import (
    AuditQuery,
    AuditRow,
    CountQuery,
    CountRow,
    LifecycleQuery,
    StoryQuery,
    StoryRow,
    VerifyQuery,
)
from treering.views.saved_questions import AskQuery, QuestionsQuery
from treering.views.sql_answers import SqlQuery, SqlViewsQuery
from treering.views.time_queries import (
    ByParentQuery,
    DiffQuery,
    StuckAnswer,
    StuckQuery,
    StuckRow,
    UsageQuery,
    UsageRow,
    WorkspaceDiffQuery,
)
from treering_services.gateway.call import Call, reply
from treering_services.gateway.core import checked_address, kind_of
from treering_services.gateway.known import check_filters
from treering_services.gateway.progress import standing_still, without_nodes
from treering_services.gateway.row_forms import shown

T = TypeVar("T")
W = TypeVar("W", AuditQuery, CountQuery)
Q = TypeVar("Q", AuditQuery, CountQuery, ByParentQuery, UsageQuery, StuckQuery, "AccessPage")


class StoryPage(Struct, frozen=True, forbid_unknown_fields=True):
    limit: Small = 1000
    page: Line = ""


class LifecycleOf(Struct, frozen=True, forbid_unknown_fields=True):
    """``kind``: as resources are called in paths, or as they are called in events."""

    kind: Name


async def ask_monitor(call: Call, name: str, query: Struct, type: type[T], timeout_seconds: float = 30.0) -> T:
    return await question(call.gateway.client, name, query, type, timeout_seconds=timeout_seconds)


async def relay(call: Call, name: str, query: Struct, timeout_seconds: float = 30.0) -> Response:
    """The monitor's answer, byte for byte."""
    raw: Any = await ask_monitor(call, name, query, msgspec.Raw, timeout_seconds)
    return reply(bytes(raw))


async def table(call: Call, name: str, query: Struct, row: type[Struct] | None = None) -> Response:
    """The monitor's answer in the form asked for; ``row`` says the columns where the answer does not."""
    raw: Any = await ask_monitor(call, name, query, msgspec.Raw)
    return shown(call, bytes(raw), row.__struct_fields__ if row else ())


async def in_workspace(call: Call, query: Q) -> Q:
    """The query, when the workspace it names exists; "" is all of them, which no job may ask about."""
    if call.caller.policy == "job" and query.workspace != call.caller.workspace:
        own = call.caller.workspace
        raise Refused("auth.forbidden", f"this token is good for workspace {own!r} only; ask with ?workspace={own}")
    if query.workspace:
        await call.gateway.require_workspace(checked_name(query.workspace, "workspace"))
    return query


async def in_this_log(call: Call, query: W) -> W:
    """The query with positions where it names events by their ids; ``Refused("position.other_log")`` for those of
    another log, from which somebody would go on here without a word."""
    found = {}
    for field in ("since", "until"):
        text = getattr(query, field)
        if names_epoch(text) and (place := read_id(text)) is not None:
            check_common(call.gateway.hub.lineage, place, await call.gateway.log.head(), field)
            found[field] = str(place.position)
    return msgspec.structs.replace(query, **found) if found else query


async def audit(call: Call) -> Response:
    query = await in_this_log(call, await in_workspace(call, call.query(AuditQuery)))
    return await table(call, "audit", query, AuditRow)


async def audit_count(call: Call) -> Response:
    query = await in_this_log(call, await in_workspace(call, call.query(CountQuery)))
    return await table(call, "count", query, CountRow)


async def story(call: Call) -> Response:
    page = call.query(StoryPage)
    address = checked_address(call.workspace, kind_of(call.params["kinds"]).kind, call.params["key"])
    return await table(call, "story", StoryQuery(*address, limit=page.limit, page=page.page), StoryRow)


async def lifecycle(call: Call) -> Response:
    address = checked_address(call.workspace, kind_of(call.params["kinds"]).kind, call.params["key"])
    return await relay(call, "lifecycle", LifecycleQuery(*address))


async def lifecycle_summary(call: Call) -> Response:
    kind = kind_named_in(call.query(LifecycleOf).kind)
    return await relay(call, "lifecycle", LifecycleQuery(checked_name(call.params["ws"], "workspace"), kind))


async def audit_sql(call: Call) -> Response:
    return await table(call, "sql", await call.json(SqlQuery))


async def audit_views(call: Call) -> Response:
    return await relay(call, "sql_views", SqlViewsQuery())


async def audit_questions(call: Call) -> Response:
    return await relay(call, "asks", QuestionsQuery())


class AskPage(Struct, frozen=True, forbid_unknown_fields=True):
    argument: Name = ""
    since: Name = ""
    until: Name = ""
    kind: Name = ""
    limit: Small = 100
    page: Line = ""


async def audit_ask(call: Call) -> Response:
    page = call.query(AskPage)
    kind = kind_named_in(page.kind) if page.kind else ""
    query = AskQuery(
        call.workspace, call.params["key"], page.argument, page.since, page.until, kind, page.limit, page.page
    )
    return await table(call, "ask", query)


class AccessPage(Struct, frozen=True, forbid_unknown_fields=True):
    """``workspace`` "" is all of them; ``until``: as it was then."""

    workspace: Name = ""
    until: Name = ""
    limit: Small = 100
    page: Line = ""


async def audit_access(call: Call) -> Response:
    page = await in_workspace(call, call.query(AccessPage))
    return await table(call, "ask", AskQuery(page.workspace, "access", "", "", page.until, "", page.limit, page.page))


async def durations(call: Call) -> Response:
    query = await in_workspace(call, call.query(ByParentQuery))
    await check_filters(call.gateway, query.workspace, kind_named_in(query.kind), parent=query.parent)
    return await relay(call, "by_parent", msgspec.structs.replace(query, kind=kind_named_in(query.kind)))


async def usage(call: Call) -> Response:
    return await table(call, "usage", await in_workspace(call, call.query(UsageQuery)), UsageRow)


def key(row: StuckRow) -> tuple[str, str, str]:
    return row.workspace, row.kind, row.name


async def stuck(call: Call) -> Response:
    """What the monitor sees in the log, what the scheduler hears of steps that do not go on, and jobs that no node will
    take, which need not wait long to be a problem."""
    query = await in_workspace(call, call.query(StuckQuery))
    answer = await ask_monitor(call, "stuck", query, StuckAnswer)
    alone = await without_nodes(call.gateway, query.workspace)
    known = {key(row) for row in alone}
    others = [row for row in answer.rows if row.problem != "waiting" or key(row) not in known]
    found = [*alone, *await standing_still(call.gateway, query.workspace), *others]
    rows = sorted(found, key=lambda row: -row.seconds)
    return shown(call, encoder.encode(StuckAnswer(rows, answer.more)), StuckRow.__struct_fields__)


class Window(Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """Two moments: what changed behind ``from``, up to ``to``."""

    since: Name
    until: Name


class WindowPage(Window, frozen=True, forbid_unknown_fields=True):
    kind: Name = ""
    limit: Small = 100
    page: Line = ""


async def diff(call: Call) -> Response:
    window = call.query(Window)
    address = checked_address(call.workspace, kind_of(call.params["kinds"]).kind, call.params["key"])
    return await relay(call, "diff", DiffQuery(*address, window.since, window.until))


async def workspace_diff(call: Call) -> Response:
    asked = call.query(WindowPage)
    kind = kind_named_in(asked.kind) if asked.kind else ""
    query = WorkspaceDiffQuery(call.workspace, asked.since, asked.until, kind, asked.limit, asked.page)
    return await relay(call, "workspace_diff", query)


def kind_named_in(text: str) -> str:
    """The kind that ``jobs`` or ``job`` means."""
    return kind_of(plural(singular(text))).kind


async def verify(call: Call) -> Response:
    await call.json(VerifyQuery)
    return await relay(call, "verify", VerifyQuery(), VERIFY_TIMEOUT_SECONDS)
