"""Questions about the past: a resource or a list as it was at a moment, and what changed between two."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from treering.domain import KINDS, kind_named
from treering.kernel.log import encoder
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views import queries, time_queries
from treering.views.audit_answers import ANSWER_BYTES_MAX, because, checked_limit
from treering.views.audit_changes import changed
from treering.views.copy import at, diff, list_at
from treering.views.event_filters import position_at
from treering.views.list_at import firsts_at
from treering.views.queries import Because
from treering.views.time_queries import Difference, FieldChange
from treering_services.monitor.log_end import check_written
from treering_services.monitor.question import Asked, Question


async def position_of(monitor: Asked, moment: str, field: str) -> int:
    """The position a moment stands for, when the views have all that was in the log up to it;
    ``Refused("query.beyond_log")`` for one the log does not have."""
    await check_written(monitor, moment, field)
    if not (moment.isascii() and moment.isdigit() and int(moment) <= monitor.projector.position):
        await monitor.projector.reached(await monitor.projector.log.head())
    return await monitor.stores.readers.audit.read(lambda db: position_at(db, moment, field))


async def window_of(monitor: Asked, since: str, until: str) -> tuple[int, int]:
    """Both ends of a window; ``Refused("query.bad_window")`` when it ends before it begins."""
    first, last = await position_of(monitor, since, "from"), await position_of(monitor, until, "to")
    if first > last:
        raise Refused("query.bad_window", f"from is position {first}, to is {last}: nothing lies between")
    return first, last


async def answer_at(monitor: Asked, query: queries.AtQuery) -> queries.AtAnswer:
    position = await position_of(monitor, query.at, "at")
    address = Address(query.workspace, query.kind, query.name)
    path = monitor.stores.copy.path
    return queries.AtAnswer(await monitor.stores.readers.copy.read(lambda db: at(db, address, position, path)))


async def answer_list_at(monitor: Asked, query: time_queries.ListAtQuery) -> time_queries.ListAtAnswer:
    kind_named(query.kind)
    limit = checked_limit(query.limit)
    position = await position_of(monitor, query.at, "at")
    firsts = await monitor.stores.readers.lifecycle.read(lambda db: firsts_at(db, query, position, limit))
    path = monitor.stores.copy.path
    items, cut = await monitor.stores.readers.copy.read(lambda db: list_at(db, firsts, position, path))
    return time_queries.ListAtAnswer(items, position, cut or (firsts[-1] if len(firsts) == limit else 0))


async def answer_diff(monitor: Asked, query: time_queries.DiffQuery) -> Difference:
    kind_named(query.kind)
    since, until = await window_of(monitor, query.since, query.until)
    address = Address(query.workspace, query.kind, query.name)
    path = monitor.stores.copy.path
    # That there is such a resource by then is worth a refusal; that nothing changed is an answer.
    now = await monitor.stores.readers.copy.read(lambda db: at(db, address, until, path))
    found = await monitor.stores.readers.copy.read(lambda db: diff(db, address, since, until, path))
    if found is None:
        return Difference(query.kind, query.name, now.status, now.status, 0, [], [])
    return (await with_reasons(monitor, [found]))[0]


async def answer_workspace_diff(
    monitor: Asked, query: time_queries.WorkspaceDiffQuery
) -> time_queries.WorkspaceDiffAnswer:
    """As many resources as an answer holds, each with its fields."""
    if query.kind:
        kind_named(query.kind)
    limit = checked_limit(query.limit)
    since, until = await window_of(monitor, query.since, query.until)
    addresses = await monitor.stores.readers.audit.read(
        lambda db: changed(db, query.workspace, query.kind, since, until, query.page, limit + 1)
    )
    rows: list[Difference] = []
    size = 0
    path = monitor.stores.copy.path
    for address in addresses[:limit]:
        if address.kind not in KINDS:
            continue
        try:
            found = await monitor.stores.readers.copy.read(lambda db, one=address: diff(db, one, since, until, path))  # type: ignore[misc]
        except Refused as refused:
            if refused.code != "view.incomplete":
                raise
            continue
        size += len(encoder.encode(found))
        if rows and size > ANSWER_BYTES_MAX // 2:
            return time_queries.WorkspaceDiffAnswer(
                await with_reasons(monitor, rows), f"{rows[-1].kind}/{rows[-1].name}"
            )
        rows += [found] if found else []
    next = str(addresses[limit - 1]) if len(addresses) > limit else ""
    return time_queries.WorkspaceDiffAnswer(await with_reasons(monitor, rows), next)


async def with_reasons(monitor: Asked, found: list[Difference]) -> list[Difference]:
    """The same, with the event each cause stands for."""
    causes = {field.cause for one in found for field in one.fields if field.cause}
    known = await monitor.stores.readers.audit.read(lambda db: {cause: because(db, cause) for cause in causes})
    return [msgspec.structs.replace(one, fields=list(explained(one.fields, known))) for one in found]


def explained(fields: Iterable[FieldChange], known: dict[str, Because | None]) -> Iterable[FieldChange]:
    return (msgspec.structs.replace(field, because=known.get(field.cause)) for field in fields)


HISTORY_QUESTIONS = {
    "at": Question(queries.AtQuery, answer_at),
    "list_at": Question(time_queries.ListAtQuery, answer_list_at),
    "diff": Question(time_queries.DiffQuery, answer_diff),
    "workspace_diff": Question(time_queries.WorkspaceDiffQuery, answer_workspace_diff),
}
