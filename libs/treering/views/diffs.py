"""Differences between two states of a resource, field by field, each with the commit that made it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from treering.domain import KINDS
from treering.kernel.log import Commit, Entry
from treering.kernel.subjects import Address
from treering.views.moments import time_text
from treering.views.time_queries import Difference, FieldChange

FIELDS_MAX = 200
VALUE_BYTES_MAX = 2048
ACTORS_MAX = 20
ABSENT: dict[str, Any] = {}


class Change(NamedTuple):
    path: str
    before: Any
    after: Any


class Touch(NamedTuple):
    """A commit, and the first event in it."""

    commit: Commit
    position: int
    type: str


def changes(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """The fields that differ, in order. Objects are compared field by field, everything else as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            yield from changes(before.get(name), after.get(name), f"{path}.{name}" if path else str(name))
    elif isinstance(before, dict) and after is None:
        yield from changes(before, ABSENT, path)
    elif isinstance(after, dict) and before is None:
        yield from changes(ABSENT, after, path)
    elif before != after:
        yield Change(path, before, after)


def difference(address: Address, history: Iterable[Entry], since: int, until: int) -> Difference | None:
    """How a resource changed behind ``since``, up to ``until``; None when nothing was said about it."""
    kind = KINDS[address.kind]
    state, first, status_before = kind.initial, ABSENT, ""
    shown: Any = ABSENT
    touched: dict[str, Touch] = {}
    actors: dict[str, None] = {}
    commits = 0
    for entry in history:
        if entry.position > until:
            break
        commit = entry.commit()
        events = kind.events.decode(commit.events)
        state = kind.fold(events, state)
        now = plain(state)
        if entry.position <= since:
            first, status_before = now, kind.summary(state).status
        else:
            commits += 1
            actors[commit.actor] = None
            touch = Touch(commit, entry.position, str(events[0].__struct_config__.tag))
            touched.update((change.path, touch) for change in changes(shown, now))
        shown = now
    if not commits:
        return None
    found = [field(change, touched) for change in changes(first, shown)]
    status_after = kind.summary(state).status
    names = list(actors)[:ACTORS_MAX]
    more = max(len(found) - FIELDS_MAX, 0)
    return Difference(address.kind, address.key, status_before, status_after, commits, names, found[:FIELDS_MAX], more)


def field(change: Change, touched: dict[str, Touch]) -> FieldChange:
    touch = touched.get(change.path) or last_within(change.path, touched)
    commit = touch.commit
    return FieldChange(
        change.path, short(change.before), short(change.after),
        touch.type, time_text(commit.at), commit.actor, touch.position, commit.cause,
    )  # fmt: skip


def last_within(path: str, touched: dict[str, Touch]) -> Touch:
    """The last commit that touched something above or below ``path``: a value that was an object in between."""
    related = [
        touch for other, touch in touched.items() if path.startswith(f"{other}.") or other.startswith(f"{path}.")
    ]
    return max(related or touched.values(), key=lambda touch: touch.position)


def plain(state: Any) -> Any:
    """A state as its JSON, without the fields that are as at the beginning."""
    return msgspec.to_builtins(state)


def short(value: Any) -> Any:
    """A value, or how large it is when it is too large to show."""
    size = len(msgspec.json.encode(value))
    return value if size <= VALUE_BYTES_MAX else f"({size} bytes)"
