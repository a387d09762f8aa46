"""The monitor's stores behind one follower: the copy first, which verifies, then the views and their index of words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from treering.adapters.log_copy import FILE_NAME, CopyDamaged, LogCopy, advice
from treering.adapters.sqlite_reader import SqliteReaders
from treering.adapters.sqlite_view import SqliteView
from treering.config import Home
from treering.kernel.log import Entry
from treering.kernel.projector import Checkpoint, ViewStore
from treering.views import audit, lifecycle, search
from treering.views.sql_views import SqlReaders
from treering_services.base import opened_view


@dataclass
class Readers:
    """Where questions are answered, beside the threads that write."""

    audit: SqliteReaders  # with the search index
    lifecycle: SqliteReaders
    copy: SqliteReaders
    sql: SqlReaders


@dataclass
class Stores:
    """One ``ViewStore`` to the projector; each store skips what it has, so they may start apart."""

    copy: LogCopy
    audit: SqliteView
    lifecycle: SqliteView
    search: search.SearchIndex
    readers: Readers
    name: str = "monitor"

    def __post_init__(self) -> None:
        self.positions: dict[str, int] = {}
        self.damaged = asyncio.Event()
        self.indexed = True
        for view in self.views:
            view.soundness.damaged = self.damaged

    async def make_again(self) -> None:
        """The views that were found damaged, and the index of words with what it is an index of."""
        for view in self.views:
            await view.make_again()
        await self.search.make_again()
        self.indexed = False

    @property
    def all(self) -> tuple[ViewStore, ...]:
        return (self.copy, self.audit, self.lifecycle)

    @property
    def views(self) -> tuple[SqliteView, ...]:
        return (self.audit, self.lifecycle)

    @property
    def incomplete(self) -> int:
        """How many resources the views cannot show."""
        return sum(view.incomplete for view in self.views)

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
        if not self.indexed and not any(view.soundness.why for view in self.views):
            await self.make_indices()
        self.search.poke()

    async def make_indices(self) -> None:
        """To be called when a replay has caught up."""
        self.indexed = True
        await self.audit.when_sound(audit.make_indices)
        await self.lifecycle.when_sound(lifecycle.make_indices)


@asynccontextmanager
async def opened_stores(home: Home) -> AsyncIterator[Stores]:
    """The stores' files, closed at the end; CopyDamaged when the copy is not as it was left."""
    folder = home.views("monitor")
    async with AsyncExitStack() as stack:
        copy = LogCopy(home.copy / FILE_NAME)
        await copy.open()
        stack.push_async_callback(copy.close)
        audit_view = await stack.enter_async_context(opened_view(home, "monitor", audit.AuditView()))
        lifecycle_view = await stack.enter_async_context(opened_view(home, "monitor", lifecycle.LifecycleView()))
        words = search.SearchIndex(folder / "search.db", folder / "audit.db", audit_view.soundness)
        await words.open()
        stack.push_async_callback(words.close)
        readers = Readers(
            SqliteReaders(folder / "audit.db", {search.NAME: words.path}, views=[audit_view]),
            SqliteReaders(folder / "lifecycle.db", views=[lifecycle_view]),
            SqliteReaders(copy.path, damaged=lambda error: CopyDamaged(0, f"{error}. {advice(copy.path)}")),
            SqlReaders(folder / "audit.db", folder / "lifecycle.db", [audit_view, lifecycle_view]),
        )
        for reader in (readers.audit, readers.lifecycle, readers.copy, readers.sql):
            stack.push_async_callback(reader.close)
        yield Stores(copy, audit_view, lifecycle_view, words, readers)
