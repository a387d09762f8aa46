"""Who touched the aliases of a model, under every name it has had.

A name is held by one model after another, and a model may hold one name after another. A *life* is the time a model
held a name: it begins when the model is created or given the name, and ends when it is given another or the name
comes to be another model's.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

import msgspec

from treering.adapters.sqlite_view import Database
from treering.domain.registered_model import REGISTERED_MODEL, registered_model_key
from treering.views.audit_answers import audit
from treering.views.queries import LIMIT_MAX, AuditQuery, AuditRow

CREATED, TRANSFERRED = "registered_model.created", "registered_model.transferred"
RENAMED = "registered_model.renamed"
# What is deleted has no aliases while it is, and what is renamed has them under another name.
TYPES = f"registered_model.alias_*,registered_model.deleted,registered_model.restored,{RENAMED}"
LIVES_MAX = 64
POSITION_MAX = 2**53


class Names(msgspec.Struct, frozen=True):
    """What is read of the events that begin and end a life."""

    previous: str = ""
    to: str = ""


class Life(NamedTuple):
    """``start`` and ``end`` are positions, both included; ``previous`` and ``to`` are the names before and after."""

    key: str
    start: int
    end: int
    previous: str = ""
    to: str = ""


def alias_rows(db: Database, asked: AuditQuery, name: str) -> tuple[list[AuditRow], str]:
    """The events about the aliases of the models that have held ``name``, the newest first: a page of at most
    ``asked.limit``, and the mark of the next."""
    spans: dict[str, list[Life]] = {}
    for life in all_lives(db, asked.workspace, registered_model_key(name)):
        spans.setdefault(life.key, []).append(life)
    each = [rows_within(db, asked, key, lives) for key, lives in spans.items()]
    merged = heapq.merge(*each, key=lambda row: (row.position, row.index), reverse=True)
    rows = list(islice(merged, asked.limit + 1))
    if len(rows) <= asked.limit:
        return rows, ""
    return rows[: asked.limit], f"{rows[asked.limit - 1].position}.{rows[asked.limit - 1].index}"


def rows_within(db: Database, asked: AuditQuery, key: str, lives: list[Life]) -> Iterator[AuditRow]:
    page = asked.page
    while True:
        query = msgspec.structs.replace(
            asked, kind=REGISTERED_MODEL.kind, name=key, type=TYPES, page=page, limit=LIMIT_MAX
        )
        answer = audit(db, query)
        yield from (row for row in answer.rows if any(life.start <= row.position <= life.end for life in lives))
        page = answer.next
        if not page:
            return


def all_lives(db: Database, workspace: str, key: str) -> list[Life]:
    """The lives of every model that has held the name, before it, under it and after it."""
    found = lives_of(db, workspace, key) or [Life(key, 0, POSITION_MAX)]
    waiting = [*found]
    while waiting and len(found) < LIVES_MAX:
        life = waiting.pop()
        for one in (before(db, workspace, life), after(db, workspace, life)):
            if one is not None and one not in found:
                found.append(one)
                waiting.append(one)
    return found


def before(db: Database, workspace: str, life: Life) -> Life | None:
    """The life under the name the model had before."""
    if not life.previous:
        return None
    earlier = [one for one in lives_of(db, workspace, registered_model_key(life.previous)) if one.end <= life.start]
    return earlier[-1] if earlier else None


def after(db: Database, workspace: str, life: Life) -> Life | None:
    """The life under the name the model was given then."""
    if not life.to:
        return None
    later = [one for one in lives_of(db, workspace, registered_model_key(life.to)) if one.start >= life.end]
    return later[0] if later else None


def lives_of(db: Database, workspace: str, key: str) -> list[Life]:
    """The lives under one key, in order."""
    types = f"{CREATED},{TRANSFERRED},{RENAMED}"
    asked = AuditQuery(workspace=workspace, kind=REGISTERED_MODEL.kind, name=key, type=types, oldest_first=True)
    rows = audit(db, msgspec.structs.replace(asked, limit=LIMIT_MAX)).rows
    lives: list[Life] = []
    for row, next in pairwise([*rows, None]):
        assert row is not None
        if row.type == RENAMED:
            continue
        previous, end, to = msgspec.json.decode(row.data, type=Names).previous, POSITION_MAX, ""
        if next is not None:
            is_renamed = next.type == RENAMED
            end = next.position if is_renamed else next.position - 1
            to = msgspec.json.decode(next.data, type=Names).to if is_renamed else ""
        lives.append(Life(key, row.position, end, previous, to))
    return lives
