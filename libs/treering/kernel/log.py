"""The event log as the rest of treering sees it: append with an expectation, read in order.

A commit is the events of one decision about one aggregate: one message, all or nothing. The log gives
it a ``position``. Its ``prev`` is the hash of the aggregate's commit before, so each history is a chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct


class Conflict(Exception):
    """Another writer appended to the aggregate first."""


class LogUnavailable(Exception):
    """The log did not answer in time. Whether the append was stored is not known: read it back."""


class LogFull(LogUnavailable):
    """There is no room for the append, and it was not stored. It may be said again when there is."""


class LogDamaged(Exception):
    """The log is not what it was: the message says which position, and what to do about it."""


class Commit(Struct, frozen=True, omit_defaults=True):
    """The events of one decision.

    ``id`` is unique per (subject, command), so an append said twice is stored once. ``version`` counts
    the aggregate's commits from 1. ``cause`` is the id of the commit or request that led to this one,
    ``trace`` a W3C traceparent. ``events`` stays as bytes: only the kind knows its events. ``via`` is who acted
    with the rights of ``actor`` (``job:<name>``), "" when the actor did it itself.
    """

    id: str
    command_id: str
    version: int
    at: datetime
    actor: str
    cause: str = ""
    trace: str = ""
    prev: str = ""
    events: msgspec.Raw = msgspec.Raw(b"[]")
    via: str = ""


commits: msgspec.json.Decoder[Commit] = msgspec.json.Decoder(Commit)
encoder = msgspec.json.Encoder()
UNDECODABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def read_commit(body: bytes) -> Commit | None:
    """The commit that ``body`` is; None for bytes that are none: whoever follows the log goes on behind them."""
    try:
        return commits.decode(body)
    except UNDECODABLE:
        return None


class Entry(NamedTuple):
    """A commit where it stands in the log, its bytes as stored."""

    position: int
    subject: str
    body: bytes

    def commit(self) -> Commit:
        return commits.decode(self.body)

    def hash(self) -> str:
        return commit_hash(self.subject, self.body)


class Appended(NamedTuple):
    position: int
    duplicate: bool  # True: a commit with this id was there already; its position is given


class EventLog(Protocol):
    async def append(self, subject: str, body: bytes, *, id: str, expected: int) -> Appended:
        """Store one commit durably. ``expected`` is the position of the subject's last commit, 0 for none.

        Raises Conflict when the expectation is stale, LogUnavailable when the outcome is unknown.
        """
        ...

    async def read(self, subject: str, *, after: int = 0) -> Sequence[Entry]:
        """The subject's entries behind ``after``, in order; LogUnavailable when nobody answers."""
        ...

    def follow(self, *, after: int = 0, subject: str = "evt.>") -> AsyncIterator[Sequence[Entry]]:
        """Every entry behind ``after``, then each new one as it comes, in batches, without gap or repeat."""
        ...

    async def head(self) -> int:
        """The position of the last commit, 0 for an empty log."""
        ...


def commit_hash(subject: str, body: bytes) -> str:
    """SHA-256 in hex over subject and stored bytes: what ``prev`` and the second copy hold."""
    return hashlib.sha256(subject.encode(errors="surrogateescape") + b"\n" + body).hexdigest()


def commit_id(subject: str, command_id: str) -> str:
    """One command leads to at most one commit on one subject; nobody can take another subject's id."""
    return hashlib.sha256(f"{subject}\n{command_id}".encode()).hexdigest()[:32]
