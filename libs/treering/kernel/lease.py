"""What executor and scheduler say to each other to show that a node is alive (``lease.renew``)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from treering.kernel.bounds import ITEMS_MAX, Name, Position, Seconds, Small
from treering.kernel.progress import PROGRESSES_MAX, Progress


class Renew(Struct, frozen=True, omit_defaults=True):
    """``position`` is how far the node has followed the log, at least to its joining; ``attempts`` what it holds;
    ``reported`` where its last word on an attempt stands."""

    workspace: Name
    node: Name
    incarnation: Name
    position: Position
    attempts: Annotated[tuple[tuple[Name, Small], ...], Meta(max_length=ITEMS_MAX)] = ()  # (job, attempt)
    reported: Position = 0
    progress: Annotated[tuple[Progress, ...], Meta(max_length=PROGRESSES_MAX)] = ()


class Renewed(Struct, frozen=True, omit_defaults=True):
    """``fenced``: this incarnation is over, kill everything and join anew. ``stale``: attempts to kill."""

    lease_seconds: Seconds
    fenced: bool = False
    stale: Annotated[tuple[tuple[Name, Small], ...], Meta(max_length=ITEMS_MAX)] = ()
