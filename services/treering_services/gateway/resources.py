"""Read resources: lists by page, one by name, as they are now or (asked of the monitor) as they were."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace
from starlette.responses import Response

from treering.adapters.sqlite_view import Database
from treering.adapters.webhook_secrets import secret_fault
from treering.domain.job import JOB
from treering.domain.webhook import WEBHOOK
from treering.domain.workspace import WORKSPACE
from treering.kernel.bounds import Line, Name, Position
from treering.kernel.pages import ROW_BYTES, Room, page_of
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import PAGE_MAX
from treering.kernel.subjects import Address, checked_name
from treering.views.queries import AtAnswer, AtQuery
from treering.views.states import Resource, newest_page, page_mark, show, with_status
from treering.views.time_queries import ListAtAnswer, ListAtQuery
from treering_services.gateway.call import Call, reply
from treering_services.gateway.core import checked_address, kind_of
from treering_services.gateway.known import check_filters
from treering_services.gateway.relays import ask_monitor
from treering_services.gateway.tracking_reader import incomplete_headers

Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX)]


class ListQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``page``: the ``next`` of the page before. ``after``: wait until reads show this position. ``at``: a
    position or an ISO 8601 time; the list as it was then. ``of_job``: the jobs that this one submitted. ``tag``: KEY or
    KEY=VALUE."""

    status: Name = ""
    parent: Name = ""
    prefix: Name = ""
    of_job: Name = ""
    tag: Line = ""
    archived: Literal["false", "true", "any"] = "false"
    limit: Limit = 100
    page: Position = 0
    after: Position = 0
    at: Name = ""


class ShowQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``at``: a position or an ISO 8601 time; the resource as it was then."""

    after: Position = 0
    at: Name = ""


class AfterQuery(Struct, frozen=True, forbid_unknown_fields=True):
    after: Position = 0


class Page(Struct, frozen=True):
    """Newest first. ``next`` is the ``page`` to ask for then, 0 at the end. What cannot be shown is left out; the
    header ``treering-incomplete`` then says how many resources of the installation that are."""

    items: list[Resource]
    next: int = 0


async def list_resources(call: Call) -> Response:
    query = call.query(ListQuery)
    kind, workspace = kind_of(call.params["kinds"]).kind, call.workspace
    await check_filters(call.gateway, workspace, kind, status=query.status, parent=query.parent)
    if query.of_job:
        await call.gateway.get(checked_address(workspace, JOB.kind, query.of_job))
    if query.at:
        return await list_then(call, workspace, kind, query)
    reader = call.gateway.reader
    await call.gateway.reached(query.after)
    archived = {"false": False, "true": True, "any": None}[query.archived]
    items, cut = await reader.read(
        lambda db: newest_page(
            db, workspace, kind,
            status=query.status, parent=query.parent, prefix=query.prefix, of_job=query.of_job, tag=query.tag,
            archived=archived,
            before=query.page, limit=query.limit,
        )
    )  # fmt: skip
    call.gateway.tracking.showed(max((item.position for item in items), default=0))
    mark = 0
    if cut or len(items) == query.limit:
        mark = await reader.read(lambda db: page_mark(db, Address(workspace, kind, items[-1].name)))
    return reply(Page(items, mark), headers=incomplete_headers(reader.view))


async def list_workspaces(call: Call) -> Response:
    """There are few, so they are filtered here; ``page`` counts those that came before."""
    query = call.query(ListQuery)
    reader = call.gateway.reader
    await call.gateway.reached(query.after)
    statuses = {"false": ["active"], "true": ["archived"], "any": ["active", "archived"]}[query.archived]
    known = await reader.read(lambda db: with_status(db, WORKSPACE.kind, statuses))
    wanted = [address for address, _, _ in reversed(known) if address.key.startswith(query.prefix)]
    chosen = wanted[query.page : query.page + query.limit]

    def load(db: Database, some: Sequence[Address], room: Room) -> list[Resource]:
        found = [one for address in some if (one := show(db, address))]
        room.take(sum(ROW_BYTES + len(bytes(one.state)) for one in found))
        return found

    items, taken = await reader.read(lambda db: page_of(chosen, partial(load, db), at_once=1))
    if query.at:
        items = [one for address in chosen[:taken] if (one := await then(call, address, query.at))]
    after = query.page + taken
    return reply(Page(items, after if after < len(wanted) else 0), headers=incomplete_headers(reader.view))


async def list_then(call: Call, workspace: str, kind: str, query: ListQuery) -> Response:
    if query.of_job or query.tag:
        raise Refused("query.at", "of_job and tag are asked of the list as it is now: leave one of them and at out")
    asked = ListAtQuery(
        workspace, kind, query.at, query.status, query.parent, query.prefix, query.archived, query.limit, query.page
    )
    answer = await ask_monitor(call, "list_at", asked, ListAtAnswer)
    return reply(Page(answer.items, answer.next))


async def then(call: Call, address: Address, at: str) -> Resource | None:
    """The resource as it was, None when it was not there yet."""
    try:
        return (await ask_monitor(call, "at", AtQuery(*address, at), AtAnswer)).resource
    except Refused as refused:
        if refused.code == f"{address.kind}.absent":
            return None
        raise


async def show_resource(call: Call) -> Response:
    query = call.query(ShowQuery)
    address = checked_address(call.workspace, kind_of(call.params["kinds"]).kind, call.params["key"])
    return await shown(call, address, query)


async def show_workspace(call: Call) -> Response:
    name = checked_name(call.params["ws"], "workspace")
    return await shown(call, Address(name, WORKSPACE.kind, name), call.query(ShowQuery))


async def shown(call: Call, address: Address, query: ShowQuery) -> Response:
    if not query.at:
        found = await call.gateway.get(address, after=query.after)
        if address.kind == WEBHOOK.kind:
            found = replace(found, warning=await asyncio.to_thread(secret_fault, call.gateway.home, found))
        return reply(found)
    answer = await ask_monitor(call, "at", AtQuery(*address, query.at), AtAnswer)
    return reply(answer.resource)
