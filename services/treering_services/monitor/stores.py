"""The monitor's three stores behind one follower: the copy first, which verifies, then the views."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from treering.adapters.log_copy import FILE_NAME, LogCopy
from treering.adapters.sqlite_view import SqliteView
from treering.config import Home
from treering.kernel.log import Entry
from treering.kernel.projector import Checkpoint, ViewStore
from treering.views import audit, lifecycle
from treering_services.base import opened_view


@dataclass
class Stores:
    """One ``ViewStore`` to the projector; each store skips what it has, so they may start apart."""

    copy: LogCopy
    audit: SqliteView
    lifecycle: SqliteView
    name: str = "monitor"

    def __post_init__(self) -> None:
        self.positions: dict[str, int] = {}

    @property
    def all(self) -> tuple[ViewStore, ...]:
        return (self.copy, self.audit, self.lifecycle)

    async def checkpoint(self) -> Checkpoint:
        """The smallest of the three: where the follower starts."""
        checkpoints = [await store.checkpoint() for store in self.all]
        self.positions = {store.name: seen.position for store, seen in zip(self.all, checkpoints, strict=True)}
        return min(checkpoints)

    async def apply(self, entries: Sequence[Entry]) -> None:
        """A batch into each store; what the copy refuses reaches no view."""
        for store in self.all:
            new = [entry for entry in entries if entry.position > self.positions[store.name]]
            if new:
                await store.apply(new)
                self.positions[store.name] = new[-1].position

    async def make_indices(self) -> None:
        """To be called when the first replay has caught up."""
        await self.audit.read(audit.make_indices)
        await self.lifecycle.read(lifecycle.make_indices)


@asynccontextmanager
async def opened_stores(home: Home) -> AsyncIterator[Stores]:
    """The stores' files, closed at the end; CopyDamaged when the copy is not as it was left."""
    copy = LogCopy(home.copy / FILE_NAME)
    await copy.open()
    try:
        async with (
            opened_view(home, "monitor", audit.AuditView()) as audit_view,
            opened_view(home, "monitor", lifecycle.LifecycleView()) as lifecycle_view,
        ):
            yield Stores(copy, audit_view, lifecycle_view)
    finally:
        await copy.close()
