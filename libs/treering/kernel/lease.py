"""What executor and scheduler say to each other to show that a node is alive (``lease.renew``)."""

from __future__ import annotations

from msgspec import Struct


class Renew(Struct, frozen=True, omit_defaults=True):
    """``position`` is how far the node has followed the log, at least to its joining; ``attempts`` what it holds;
    ``reported`` where its last word on an attempt stands."""

    workspace: str
    node: str
    incarnation: str
    position: int
    attempts: tuple[tuple[str, int], ...] = ()  # (job, attempt)
    reported: int = 0


class Renewed(Struct, frozen=True, omit_defaults=True):
    """``fenced``: this incarnation is over, kill everything and join anew. ``stale``: attempts to kill."""

    lease_seconds: float
    fenced: bool = False
    stale: tuple[tuple[str, int], ...] = ()
