"""Which version of a model a label points at, now or as it was then."""

from __future__ import annotations

import asyncio
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from treering.domain.model import MODEL
from treering.domain.registered_model import REGISTERED_MODEL, RegisteredModel
from treering.kernel.ending import run_together
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import PAGE_MAX
from treering.kernel.subjects import Address, checked_name
from treering.views.queries import AtAnswer, AtQuery
from treering.views.time_queries import ListAtAnswer, ListAtQuery
from treering.views.tracking.registry_rows import latest_number
from treering_services.gateway.call import Call, reply
from treering_services.gateway.model_trees import LATEST, labelled, no_label
from treering_services.gateway.relays import ask_monitor
from treering_services.gateway.resources import ShowQuery, shown

AT_ONCE_MAX = 8
Name = Annotated[str, Meta(max_length=256)]


class LatestOf(Struct, frozen=True, forbid_unknown_fields=True):
    """``keys`` of registered models. ``at``: a position or an ISO 8601 time."""

    keys: Annotated[list[Name], Meta(max_length=PAGE_MAX)]
    at: Name = ""


class LatestAnswer(Struct, frozen=True):
    """By key; a model of which no version is shown is left out."""

    latest: dict[str, int]


async def model_by_label(call: Call) -> Response:
    """``latest`` is the version with the highest number; other labels are the aliases of the model."""
    name, label = checked_name(call.params["key"]), call.params["label"]
    query = call.query(ShowQuery)
    if query.at:
        number = await labelled_then(call, name, label, query.at)
    else:
        await call.gateway.reached(query.after)
        call.gateway.tracking.showed(query.after)  # which says where a label points
        number = await labelled(call.gateway, call.workspace, name, label)
    return await shown(call, Address(call.workspace, MODEL.kind, f"{name}:{number}"), query)


async def latest_versions(call: Call) -> Response:
    """The number of the latest version of each of these models."""
    asked = await call.json(LatestOf)
    permits = asyncio.Semaphore(AT_ONCE_MAX)

    async def one(key: str) -> int:
        async with permits:
            if asked.at:
                return await latest_then(call, key, asked.at)
            return await call.gateway.tracking.peek(lambda db: latest_number(db, call.workspace, key))

    found = await run_together(*(one(key) for key in asked.keys))
    return reply(LatestAnswer({key: number for key, number in zip(asked.keys, found, strict=True) if number}))


async def labelled_then(call: Call, key: str, label: str, at: str) -> int:
    """The version a label pointed at; ``Refused("model.absent")``."""
    if label == LATEST:
        number = await latest_then(call, key, at)
        if number:
            return number
        raise Refused("model.absent", f"model {key!r} had no version then")
    found = await ask_monitor(call, "at", AtQuery(call.workspace, REGISTERED_MODEL.kind, key, at), AtAnswer)
    model: RegisteredModel = REGISTERED_MODEL.states.decode(found.resource.state)
    if model.status != "active" or label not in model.holding.aliases:
        raise no_label(key, label, model.holding.aliases if model.status == "active" else ())
    return model.holding.aliases[label]


async def latest_then(call: Call, key: str, at: str) -> int:
    """The highest number of a version that was there and not archived; 0 when there was none."""
    highest, page = 0, 0
    while True:
        asked = ListAtQuery(call.workspace, MODEL.kind, at, prefix=f"{key}:", limit=PAGE_MAX, page=page)
        answer = await ask_monitor(call, "list_at", asked, ListAtAnswer)
        highest = max([highest, *(int(item.name.rpartition(":")[2]) for item in answer.items)])
        page = answer.next
        if not page:
            return highest
