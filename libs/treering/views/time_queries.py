"""More questions the monitor answers: lists as of a moment, differences, durations by parent, usage, what is stuck.

Moments are as in ``queries``. A time stands for the last commit that was stamped no later, and all before it.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from treering.kernel.bounds import Count, Line, Name, Position, Seconds, Small
from treering.views.queries import Because
from treering.views.states import Resource

Archived = Literal["false", "true", "any"]


class ListAtQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.list_at``: the resources of a kind as they were, newest first; ``page`` as lists of the present have it."""

    workspace: Name
    kind: Name
    at: Name
    status: Name = ""
    parent: Name = ""
    prefix: Name = ""
    archived: Archived = "false"
    limit: Small = 100
    page: Position = 0


class ListAtAnswer(Struct, frozen=True):
    """``position`` is what the moment stood for. Every state is folded from the verified second copy."""

    items: list[Resource]
    position: int
    next: int = 0


class DiffQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.diff``: what changed in one resource behind ``since``, up to ``until``."""

    workspace: Name
    kind: Name
    name: Name
    since: Name
    until: Name


class FieldChange(Struct, frozen=True):
    """A field of the state: what it was, what it is, and the last commit that touched it, with its reason."""

    path: str
    before: Any
    after: Any
    type: str
    at: str
    actor: str
    position: int
    cause: str = ""
    because: Because | None = None


class Difference(Struct, frozen=True):
    """How one resource changed; a status "" is: not there."""

    kind: str
    name: str
    status_before: str
    status_after: str
    commits: int
    actors: list[str]
    fields: list[FieldChange]
    more_fields: int = 0  # those beyond FIELDS_MAX


class WorkspaceDiffQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.workspace_diff``: every resource that changed, by kind and name. Published events are left out."""

    workspace: Name
    since: Name
    until: Name
    kind: Name = ""
    limit: Small = 100
    page: Line = ""


class WorkspaceDiffAnswer(Struct, frozen=True):
    rows: list[Difference]
    next: str = ""


class ByParentQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.by_parent``: durations of a kind for each parent, such as the jobs of each experiment."""

    workspace: Name
    kind: Name
    parent: Name = ""


class Durations(Struct, frozen=True):
    """Of the ended intervals of a status; ``First event`` is the time from a resource's first commit to its second."""

    parent: str
    status: str
    count: int
    open: int
    p50_seconds: float
    p95_seconds: float
    p99_seconds: float
    longest_seconds: float


class ByParentAnswer(Struct, frozen=True):
    rows: list[Durations]


class UsageQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.usage``: what jobs cost. ``since`` and ``until`` are days (``2026-01-31``), or times, of which the
    hour counts; both are included."""

    workspace: Name = ""
    by: Literal["workspace", "experiment", "actor", "day", "hour"] = "experiment"
    since: Name = ""
    until: Name = ""


class UsageRow(Struct, frozen=True):
    """``node_seconds`` of ended statuses; ``running`` jobs hold a node now, for ``running_node_seconds`` so far."""

    value: str
    jobs: int
    node_seconds: float
    output_bytes: int
    running: int = 0
    running_node_seconds: float = 0.0


class UsageAnswer(Struct, frozen=True):
    rows: list[UsageRow]


class StuckQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``qry.stuck``: what waits too long, is silent or fails again and again; 0 means the installation's threshold."""

    workspace: Name = ""
    waiting_seconds: Seconds = 0.0
    silent_seconds: Seconds = 0.0
    failures: Count = 0


class StuckRow(Struct, frozen=True):
    workspace: str
    kind: str
    name: str
    problem: Literal["waiting", "silent", "failing", "still"]
    status: str
    since: str
    seconds: float
    why: str


class StuckAnswer(Struct, frozen=True):
    """``more``: there are others beyond the limit of an answer."""

    rows: list[StuckRow]
    more: bool = False
