"""The questions the monitor answers on ``qry.<name>``, and its answers: the contract with the gateway.

A moment (``since``, ``until``, ``at``) is a position in the log, in digits, or an ISO 8601 time; a time without
a zone is UTC. Answers are bounded in rows and bytes: a ``next`` that is not empty is the ``page`` to ask for then.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from treering.kernel.bounds import Line, Name, Position, Small, Text
from treering.views.states import Resource

LIMIT_MAX = 1000


class AuditQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.audit``: events by any of these, all of which must match; newest first unless ``oldest_first``.

    ``workspace`` "" means all. ``type`` may be several with commas, and patterns (``job.*``, ``*.failed``); a published
    event is found by its own type too. ``cause`` is a commit id, command id or whatever the cause was said to be.
    ``text`` are words of the event's JSON or its resource's name, all of which it must have ("several words" in a row,
    ``begin*``). ``since`` and ``until`` include the moments they name; over HTTP they may be ids of events. ``after``:
    answer when the audit has reached this position. ``unseen``: a type or an actor that nobody has seen yet is no
    mistake, for it may come. ``own``: only treering's own events, none that somebody published under a type that looks
    so.
    """

    workspace: Name = ""
    actor: Name = ""
    kind: Name = ""
    name: Name = ""
    type: Line = ""
    since: Name = ""
    until: Name = ""
    cause: Name = ""
    text: Text = ""
    oldest_first: bool = False
    limit: Small = 100  # at most LIMIT_MAX
    page: Line = ""
    after: Position = 0
    unseen: bool = False
    own: bool = False


class CountQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.count``: how many events match, by one of their columns (see ``audit_counts.BY``)."""

    by: Name = "type"
    workspace: Name = ""
    actor: Name = ""
    kind: Name = ""
    name: Name = ""
    type: Line = ""
    since: Name = ""
    until: Name = ""
    unseen: bool = False
    own: bool = False


class StoryQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.story``: what happened to one resource, in order, with the published events about it."""

    workspace: Name
    kind: Name
    name: Name
    limit: Small = LIMIT_MAX
    page: Line = ""


class AtQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.at``: a resource as it was at a moment."""

    workspace: Name
    kind: Name
    name: Name
    at: Name


class LifecycleQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.lifecycle``: the intervals of one resource, or without ``name`` a summary of its kind."""

    workspace: Name
    kind: Name
    name: Name = ""


class VerifyQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``qry.verify``: hash the whole log again and compare it with the second copy. Takes its time."""


class StatusQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``qry.status``: how far the monitor's stores are, and whether log and copy agree."""


class AuditRow(Struct, frozen=True, omit_defaults=True):
    """One event where it stands: the ``index``-th of the commit at ``position``. ``at`` is UTC.

    ``about`` is the ``kind/name`` a published event says it is about, ``published`` its own type. ``data`` is the event
    as stored; an event of more than half a megabyte is left out (``data_bytes`` says its size); the log has it. ``via``
    is the job (``job:<name>``) that acted with the rights of ``actor``.
    """

    position: int
    index: int
    workspace: str
    kind: str
    name: str
    type: str
    at: str
    actor: str
    command_id: str
    commit_id: str
    data: msgspec.Raw
    cause: str = ""
    trace: str = ""
    about: str = ""
    published: str = ""
    data_bytes: int = 0
    via: str = ""


class Because(Struct, frozen=True):
    """What a cause is, when it is the id of a commit we hold, or of a command that led to one."""

    kind: str
    name: str
    type: str
    position: int


class StoryRow(AuditRow, frozen=True, omit_defaults=True):
    because: Because | None = None


class AuditAnswer(Struct, frozen=True):
    rows: list[AuditRow]
    next: str = ""


class CountRow(Struct, frozen=True):
    value: str
    events: int


class CountAnswer(Struct, frozen=True):
    """The most frequent values first."""

    rows: list[CountRow]


class StoryAnswer(Struct, frozen=True):
    rows: list[StoryRow]
    next: str = ""


class AtAnswer(Struct, frozen=True):
    """``resource`` after its last commit up to the moment. It is folded from the verified second copy."""

    resource: Resource


class Interval(Struct, frozen=True, omit_defaults=True):
    """How long a resource was in ``status``; ``until`` "" while it still is (``seconds`` is then up to now)."""

    status: str
    since: str
    position: int
    seconds: float
    until: str = ""


class StatusSummary(Struct, frozen=True):
    """The durations of the ended intervals of a status; ``open`` resources are in it now."""

    status: str
    count: int
    open: int
    p50_seconds: float
    p95_seconds: float


class LifecycleAnswer(Struct, frozen=True):
    """``intervals`` for a query with a name, ``summary`` for one without."""

    intervals: list[Interval] = []
    summary: list[StatusSummary] = []


class VerifyAnswer(Struct, frozen=True):
    """``positions`` were compared until the ``first_bad`` (0: none). ``head`` is the root of the log's tree, in hex.

    ``damaged``: the stream (EVT, MET) or the copy (log.db, points.db) that is not what it was; of a copy, ``first_bad``
    is its own first bad row, and ``positions`` is how much of the log was hashed by itself then.
    ``points``: how many messages of metric points were compared with their copy. ``beside``: what is wrong beside the
    log, which is well: names of people that it was not told.
    """

    ok: bool
    positions: int
    first_bad: int
    why: str
    commits_per_second: float
    head: str
    damaged: str = ""
    points: int = 0
    beside: list[str] = []


class StoreStatus(Struct, frozen=True):
    position: int
    lag: int  # positions behind the head of the log


INCOMPLETE_MAX = 100


class IncompleteRow(Struct, frozen=True):
    """A resource that ``view`` cannot show from ``position`` of ``stream`` on; ``resource`` is ``kind/name``, or of a
    message that is none of ours its subject."""

    view: str
    workspace: str
    resource: str
    stream: str
    position: int
    why: str


class StatusAnswer(Struct, frozen=True):
    """``verified_until``: up to here log and copy were compared since this monitor started. ``head``: see above.

    ``signed_until``: the size of the last signed checkpoint. ``incomplete``: what the monitor's views cannot show, at
    most INCOMPLETE_MAX a view.
    """

    ok: bool
    why: str
    views: dict[str, StoreStatus]
    copy: StoreStatus
    verified_until: int
    head: str
    signed_until: int = 0
    incomplete: list[IncompleteRow] = []
