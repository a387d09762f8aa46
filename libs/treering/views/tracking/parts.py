"""What the parts of the tracking view are: each has its tables and folds the kinds it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from treering.adapters.sqlite_view import Database
from treering.kernel.log import Commit
from treering.kernel.points import PointsEntry
from treering.kernel.subjects import Address


class Change(NamedTuple):
    """One commit, with its events decoded as its kind's."""

    address: Address
    position: int
    commit: Commit
    events: Sequence[Any]

    @property
    def at_ms(self) -> int:
        """When it happened, in milliseconds since 1970: the unit of MLflow's API."""
        return round(self.commit.at.timestamp() * 1000)


class Part(Protocol):
    """One subject of the view, in a file of its own. ``version`` changes with its tables or their meaning.

    ``change`` is called for each commit of one of ``kinds``, in the order of the log; ``points`` for each batch of
    metric points, which come by a stream of their own: nothing may depend on how the two interleave.
    """

    version: str
    schema: str
    kinds: frozenset[str]

    def change(self, db: Database, change: Change) -> None: ...

    def points(self, db: Database, entries: Sequence[PointsEntry]) -> None: ...
