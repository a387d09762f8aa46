"""What a question names must be there: kinds, types and actors nobody has ever seen are mistakes, not empty answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

from treering.adapters.sqlite_view import Database
from treering.domain import KINDS, TYPES
from treering.domain.credential import CREDENTIAL
from treering.domain.event import EVENT
from treering.domain.watched import check_place, check_watched
from treering.kernel.patterns import begin_of, is_pattern, matches
from treering.kernel.refusal import Refused, instead

SEEN_MAX = 1000  # words that are looked at for one that is meant
LOOKED_AT_MAX = 10_000  # types that a pattern is held against
LAST = "\U0010ffff"


class Naming(Protocol):
    """What a question may name."""

    @property
    def workspace(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def unseen(self) -> bool: ...


def check_known(db: Database, asked: Naming) -> None:
    """``Refused``: ``kind.unknown``, ``type.unknown`` or ``actor.unknown``. The view may hold kinds and types of a
    newer release; they are known."""
    if asked.kind and asked.kind not in KINDS and not has(db, "SELECT 1 FROM groups WHERE kind = ?", asked.kind):
        raise Refused("kind.unknown", f"there is no kind {asked.kind[:80]!r}{instead(asked.kind, KINDS)}")
    check_possible(db, asked.kind, [type for type in asked.type.split(",") if type])
    if asked.kind in KINDS and not (asked.name and has(db, "SELECT 1 FROM event_rows WHERE key = ?", asked.name)):
        check_place(asked.kind, asked.workspace, asked.name)
    if asked.unseen:
        return
    for type in filter(None, asked.type.split(",")):
        if not is_known(db, type):
            near = {one for one in TYPES if not asked.kind or one.startswith(f"{asked.kind}.")} | set(
                types_seen(db, "*", SEEN_MAX)
            )
            raise Refused("type.unknown", f"there is no event of the type {type[:80]!r}{instead(type, near)}")
    if asked.actor and not has_acted_or_may(db, asked.actor):
        near = set(words_of(db, "actor", "", LAST, SEEN_MAX))
        raise Refused(
            "actor.unknown",
            f"actor is {asked.actor[:80]!r}: nobody has this id or, by now, this name (names of before are not kept)"
            f"{instead(asked.actor, near)}",
        )


def check_possible(db: Database, kind: str, types: Sequence[str]) -> None:
    """``Refused`` when no event about a resource of ``kind`` has one of ``types``, or will."""
    if kind not in KINDS or kind == EVENT.kind:
        return
    own = {*KINDS[kind].event_types, *types_of(db, kind)}
    if types and not any(matches(type, one) for type in types for one in own):
        check_watched(types, kind)


def has_acted_or_may(db: Database, actor: str) -> bool:
    """Who has a credential is known before doing anything: ``user:<id>`` of a person, else as the actor is called."""
    sql = "SELECT 1 FROM event_rows JOIN groups USING (gid) WHERE key IN (?, ?) AND kind = ?"
    if has(db, "SELECT 1 FROM event_rows WHERE actor = ?", actor):
        return True
    return has(db, sql, f"user:{actor}", actor, CREDENTIAL.kind)


def is_known(db: Database, type: str) -> bool:
    if any(matches(type, one) for one in TYPES) or any(matches(type, one) for one in types_of(db)):
        return True
    return bool(types_seen(db, type, 1))


def types_of(db: Database, kind: str = "") -> list[str]:
    """The types that the events about resources of ``kind`` ("": any) have had; those of a newer release, too."""
    sql = "SELECT DISTINCT type FROM groups WHERE kind = ? OR ? = ''"
    return [str(row["type"]) for row in db.execute(sql, (kind, kind))]


def types_seen(db: Database, type: str, most: int) -> list[str]:
    """The types published events have that match ``type``; at most ``most``, among the first ``LOOKED_AT_MAX`` that
    begin as it does."""
    begin = begin_of(type)
    words = words_of(db, "published", begin, begin + LAST if is_pattern(type) else type, LOOKED_AT_MAX)
    return list(islice((word for word in words if matches(type, word)), most))


def words_of(db: Database, column: str, first: str, last: str, most: int) -> Iterator[str]:
    """The different values of an indexed column from ``first`` to ``last``, each found by one step in its index."""
    at = "event_rows WHERE published <> '' AND" if column == "published" else "event_rows WHERE"
    row = db.execute(
        f"SELECT min({column}) AS word FROM {at} {column} >= ? AND {column} <= ?", (first, last)
    ).fetchone()
    while row["word"] is not None and most > 0:
        if row["word"]:
            yield str(row["word"])
            most -= 1
        sql = f"SELECT min({column}) AS word FROM {at} {column} > ? AND {column} <= ?"
        row = db.execute(sql, (row["word"], last)).fetchone()


def has(db: Database, sql: str, *values: str) -> bool:
    return db.execute(f"{sql} LIMIT 1", values).fetchone() is not None
