"""How far the attempts of a node are: sent with each renewal of its lease, kept by the scheduler, never recorded.

A figure that moves every second is no event. What becomes of a step is one, where it matters: started, finalizing,
completed, failed, lost, canceled.
"""

from __future__ import annotations

from msgspec import Struct

from treering.kernel.bounds import Count, Name, Seconds

PROGRESSES_MAX = 1000


class Progress(Struct, frozen=True, omit_defaults=True):
    """``done`` of ``total`` (0: not known) ``unit`` in ``step``, which lasts for ``seconds``; for ``still_seconds`` the
    figure has not moved. Seconds are durations, as clocks of nodes differ; ``text`` is the figure for people."""

    job: Name
    attempt: Count
    step: Name
    seconds: Seconds
    still_seconds: Seconds = 0.0
    done: Count = 0
    total: Count = 0
    unit: Name = ""
    text: Name = ""


class ProgressQuery(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``lease.progress``: of the jobs of a workspace ("" is all of them), or of one ``job`` of it."""

    workspace: Name = ""
    job: Name = ""


class ProgressRow(Struct, frozen=True):
    workspace: str
    node: str
    progress: Progress


class ProgressAnswer(Struct, frozen=True):
    """Steps that last longer than a moment, of the attempts that are under way; ``more``: there are others."""

    rows: list[ProgressRow]
    more: bool = False
