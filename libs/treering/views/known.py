"""What a question names must be there: kinds, types and actors nobody has ever seen are mistakes, not empty answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from treering.adapters.sqlite_view import Database
from treering.domain import KINDS, TYPES
from treering.domain.credential import CREDENTIAL
from treering.kernel.refusal import Refused, instead

SEEN_MAX = 1000  # words that are looked at for one that is meant
LAST = "\U0010ffff"


class Naming(Protocol):
    """What a question may name."""

    @property
    def kind(self) -> str: ...
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


def has_acted_or_may(db: Database, actor: str) -> bool:
    """Who has a credential is known before doing anything: ``user:<id>`` of a person, else as the actor is called."""
    sql = "SELECT 1 FROM event_rows JOIN groups USING (gid) WHERE key IN (?, ?) AND kind = ?"
    if has(db, "SELECT 1 FROM event_rows WHERE actor = ?", actor):
        return True
    return has(db, sql, f"user:{actor}", actor, CREDENTIAL.kind)


def is_known(db: Database, type: str) -> bool:
    begin = type.removesuffix("*")
    if type in TYPES or (begin != type and any(one.startswith(begin) for one in TYPES)):
        return True
    sql = "SELECT 1 FROM groups WHERE type >= ? AND type <= ?"
    return has(db, sql, begin, begin + LAST if begin != type else type) or bool(types_seen(db, type, 1))


def types_seen(db: Database, type: str, most: int) -> list[str]:
    """The types published events have that are ``type``, or begin so when it ends in ``*``; at most ``most``."""
    begin = type.removesuffix("*")
    return list(words_of(db, "published", begin, begin + LAST if begin != type else type, most))


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
