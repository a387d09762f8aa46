"""Which rows of the audit view a question is about: its conditions as SQL, driven by the index that fits best.

Every source yields ids in the order asked for, so a page ends as soon as it is full.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from treering.adapters.sqlite_view import Database
from treering.domain.event import EVENT
from treering.domain.webhook_messages import TYPES_MAX
from treering.kernel.patterns import is_pattern
from treering.kernel.refusal import Refused
from treering.views.audit import HOUR, INDEX_BITS
from treering.views.known import check_known, types_seen
from treering.views.moments import moment
from treering.views.search import match_of

ID_MAX = 2**63 - 1
BETWEEN = "id BETWEEN ? AND ?"


class Asked(Protocol):
    """The filters that questions about events have in common."""

    @property
    def workspace(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def since(self) -> str: ...
    @property
    def until(self) -> str: ...
    @property
    def unseen(self) -> bool: ...
    @property
    def own(self) -> bool: ...


class Where(NamedTuple):
    """A condition and its values."""

    sql: str
    values: tuple[Any, ...] = ()


class Scope(NamedTuple):
    """The rows from ``low`` to ``high`` that fulfil ``times`` and are of ``gids`` (None: of any group), or are
    published events of ``places`` with a type of their own in ``published``. A ``+`` before a column keeps the planner
    from an index whose order is not that of the ids."""

    low: int
    high: int
    times: tuple[Where, ...]
    gids: tuple[int, ...] | None
    places: tuple[int, ...] = ()
    published: tuple[str, ...] = ()

    @property
    def between(self) -> Where:
        return Where(BETWEEN, (self.low, self.high))

    @property
    def of_groups(self) -> tuple[Where, ...]:
        """As a condition that no index is chosen for."""
        if self.gids is None:
            return ()
        of_type = f"+gid IN ({', '.join(map(str, self.gids))})"
        if not self.published:
            return (Where(of_type),)
        marks = ", ".join("?" * len(self.published))
        return (Where(f"({of_type} OR {self.in_places} AND +published IN ({marks}))", self.published),)

    @property
    def in_places(self) -> str:
        return f"+gid IN ({', '.join(map(str, self.places))})"


def scope_of(db: Database, asked: Asked) -> Scope:
    """Bounds and groups of a question; ``Refused`` for a moment that is none, a window that ends before it begins, or
    what there is not."""
    types = asked.type.count(",") + 1
    if types > TYPES_MAX:
        raise Refused("query.bad_type", f"{types} types are asked for, at most {TYPES_MAX} may be")
    check_known(db, asked)
    low, high = 0, ID_MAX
    times: list[Where] = []
    if asked.since:
        since = moment(asked.since, "since")
        low = since << INDEX_BITS if isinstance(since, int) else first_id_since(db, since)
        times += [] if isinstance(since, int) else [Where("+at >= ?", (since,))]
    if asked.until:
        until = moment(asked.until, "until")
        high = last_of(until) if isinstance(until, int) else last_id_until(db, until)
        times += [] if isinstance(until, int) else [Where("+at <= ?", (until,))]
    if asked.since and asked.until:
        check_window(db, asked.since, asked.until, nothing=low > high)
    scope = Scope(min(low, ID_MAX), high, tuple(times), groups_of(db, asked))
    published = published_types(db, asked)
    return scope._replace(places=places_of(db, asked), published=published) if published else scope


def check_window(db: Database, since: str, until: str, *, nothing: bool) -> None:
    """``Refused("query.bad_window")`` when ``until`` lies before ``since``. A time and a position cannot be compared,
    for clocks differ: they are refused when there is ``nothing`` between, and nothing can come any more."""
    first, last = moment(since, "since"), moment(until, "until")
    if isinstance(first, int) and isinstance(last, int):
        reversed = first > last
    elif isinstance(first, int) or isinstance(last, int):
        reversed = nothing and (first if isinstance(first, int) else int(last)) <= newest_position(db)
    else:
        reversed = first > last
    if reversed:
        raise Refused("query.bad_window", f"since {since!r} is later than until {until!r}: nothing lies between")


def newest_position(db: Database) -> int:
    return int(db.execute("SELECT max(id) AS id FROM event_rows").fetchone()["id"] or 0) >> INDEX_BITS


def last_of(position: int) -> int:
    """The largest id an event at ``position`` can have."""
    return min((position + 1 << INDEX_BITS) - 1, ID_MAX)


def first_id_since(db: Database, at: str) -> int:
    found = db.execute("SELECT min(first_id) FROM hours WHERE hour >= ?", (at[:HOUR],)).fetchone()[0]
    return ID_MAX if found is None else int(found)


def last_id_until(db: Database, at: str) -> int:
    found = db.execute("SELECT max(last_id) FROM hours WHERE hour <= ?", (at[:HOUR],)).fetchone()[0]
    return 0 if found is None else int(found)


def groups_of(db: Database, asked: Asked) -> tuple[int, ...] | None:
    """The groups asked for, None for all."""
    wanted = [(column, value) for column in ("workspace", "kind") if (value := getattr(asked, column))]
    types = [one for one in asked.type.split(",") if one]
    if not wanted and not types and not asked.own:
        return None
    conditions = [Where(f"{column} = ?", (value,)) for column, value in wanted]
    conditions += [Where("kind <> ?", (EVENT.kind,))] if asked.own else []
    if types:
        each = [type_condition(one) for one in types]
        conditions.append(Where(f"({' OR '.join(one.sql for one in each)})", sum((one.values for one in each), ())))
    where, values = joined(conditions)
    return tuple(row["gid"] for row in db.execute(f"SELECT gid FROM groups WHERE {where} ORDER BY gid", values))


def places_of(db: Database, asked: Asked) -> tuple[int, ...]:
    """The groups that published events are in."""
    sql = "SELECT gid FROM groups WHERE kind = ? AND (workspace = ? OR ? = '') ORDER BY gid"
    return tuple(row["gid"] for row in db.execute(sql, (EVENT.kind, asked.workspace, asked.workspace)))


def published_types(db: Database, asked: Asked) -> tuple[str, ...]:
    """The types asked for that some published event has, those that match a pattern one by one."""
    if asked.own or asked.kind not in ("", EVENT.kind):
        return ()
    found = [one for type in asked.type.split(",") if type for one in types_seen(db, type, TYPES_MAX + 1)]
    if len(found) > TYPES_MAX:
        raise Refused("query.bad_type", f"type {asked.type[:80]!r} is more than {TYPES_MAX} types; name fewer")
    return tuple(dict.fromkeys(found))


def type_condition(type: str) -> Where:
    return Where("type GLOB ?", (globbed(type),)) if is_pattern(type) else Where("type = ?", (type,))


def globbed(pattern: str) -> str:
    """The same for SQLite, to which ``?`` and ``[`` mean something, too."""
    return pattern.replace("[", "[[]").replace("?", "[?]")


def joined(conditions: Sequence[Where]) -> tuple[str, list[Any]]:
    return " AND ".join(one.sql for one in conditions) or "1", [value for one in conditions for value in one.values]


def ids(db: Database, asked: Asked, scope: Scope, order: str, *, cause: str = "", text: str = "") -> Iterator[int]:
    """The ids of the rows that match, in ``order`` (ASC or DESC)."""
    match = match_of(text) if text else ""
    if scope.low > scope.high or (scope.gids == () and not scope.published):
        return iter(())
    named = [Where("key = ?", (asked.name,))] if asked.name else []
    acted = [Where("actor = ?", (asked.actor,))] if asked.actor else []
    caused = [Where("cause = ? AND cause <> ''", (cause,))] if cause else []
    if match:
        return ids_of_words(db, scope, order, match, (*scope.of_groups, *named, *acted, *caused))
    if caused or named:
        acted = [Where(f"+{one.sql}", one.values) for one in acted]
        return ids_where(db, (*named, *caused, scope.between, *scope.times, *scope.of_groups, *acted), order)
    if acted or scope.gids is not None:
        gids = scope.gids if scope.gids is not None else all_groups(db)
        of_group = [(*acted, Where("gid = ?", (gid,)), scope.between, *scope.times) for gid in gids]
        in_places = (Where(scope.in_places), *(Where(f"+{one.sql}", one.values) for one in acted))
        of_type = [
            (Where("published = ? AND published <> ''", (type,)), *in_places, scope.between, *scope.times)
            for type in scope.published
        ]
        runs = [ids_where(db, conditions, order) for conditions in (*of_group, *of_type)]
        return once(heapq.merge(*runs, reverse=order == "DESC"))
    return ids_where(db, (scope.between, *scope.times), order)


def once(ids: Iterable[int]) -> Iterator[int]:
    """Each of ``ids``, which come in order, once: a published event may be asked for by both of its types."""
    last = -1
    for id in ids:
        if id != last:
            yield id
        last = id


def ids_where(db: Database, conditions: Sequence[Where], order: str) -> Iterator[int]:
    where, values = joined(conditions)
    for row in db.execute(f"SELECT id FROM event_rows WHERE {where} ORDER BY id {order}", values):
        yield row["id"]


def ids_of_words(db: Database, scope: Scope, order: str, match: str, conditions: Sequence[Where]) -> Iterator[int]:
    """By the search index, whose rows come in order; what else is asked is looked up row by row."""
    where, values = joined([*scope.times, *conditions])
    sql = (
        "SELECT words.rowid AS id FROM search.words CROSS JOIN event_rows ON event_rows.id = words.rowid "
        f"WHERE words MATCH ? AND words.rowid BETWEEN ? AND ? AND {where} ORDER BY words.rowid {order}"
    )
    for row in db.execute(sql, [match, scope.low, scope.high, *values]):
        yield row["id"]


def all_groups(db: Database) -> tuple[int, ...]:
    return tuple(row["gid"] for row in db.execute("SELECT gid FROM groups ORDER BY gid"))


def position_at(db: Database, text: str, field: str) -> int:
    """The position a moment stands for: a time means the last commit that was stamped no later than it."""
    value = moment(text, field)
    if isinstance(value, int):
        return value
    last = "SELECT max(last_id) FROM hours WHERE hour < ?"
    earlier = db.execute(last, (value[:HOUR],)).fetchone()[0] or 0
    bounds = db.execute("SELECT first_id, last_id FROM hours WHERE hour = ?", (value[:HOUR],)).fetchone()
    within = None
    if bounds is not None:
        sql = f"SELECT id FROM event_rows WHERE {BETWEEN} AND at <= ? ORDER BY id DESC LIMIT 1"
        within = db.execute(sql, (*bounds, value)).fetchone()
    return max(int(earlier), int(within["id"]) if within else 0) >> INDEX_BITS
