"""A second stream in the file of a view, such as metric points beside the runs they belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from treering.adapters.incomplete import Applying, Fold, Unit
from treering.adapters.sqlite_view import Database, SqliteView
from treering.kernel.log import Entry
from treering.kernel.projector import Checkpoint

STREAMS_TABLE = """
CREATE TABLE IF NOT EXISTS streams (name TEXT PRIMARY KEY, position INTEGER NOT NULL, hash TEXT NOT NULL)
"""


class SecondStream:
    """The ``ViewStore`` port for another stream that is projected into the file of ``store``.

    It has a checkpoint of its own, written in the same transaction as its rows. A file that is computed again
    starts again with both. ``values`` and ``units`` are those of a ``Fold``.
    """

    def __init__(
        self,
        store: SqliteView,
        name: str,
        values: Callable[[Sequence[Entry]], Sequence[Any]],
        units: Callable[[Entry], Sequence[Unit]],
        project: Callable[[Database, Sequence[Any]], None],
    ) -> None:
        self.store = store
        self.name = name
        self.applying = Applying(Fold(name, values, units, project, store.view.forget))

    @property
    def damaged(self) -> asyncio.Event:
        return self.store.damaged

    async def open(self) -> None:
        await self.store.on_thread(self.make_table)

    def make_table(self) -> None:
        db = self.store.opened()
        db.executescript(STREAMS_TABLE)
        self.applying.undone()  # the file may be a new one
        self.store.soundness.reached.setdefault(self.name, self.read_checkpoint(db).position)

    async def make_again(self) -> None:
        await self.store.make_again()
        await self.open()

    async def forget(self) -> None:
        """The stream began anew: what came of the one before stays, and every entry of this one is new."""
        sql = "DELETE FROM streams WHERE name = ?"
        await self.store.on_thread(lambda: self.store.opened().execute(sql, (self.name,)))

    async def checkpoint(self) -> Checkpoint:
        return await self.store.on_thread(lambda: self.store.sound(self.read_checkpoint))

    def read_checkpoint(self, db: Database) -> Checkpoint:
        row = db.execute("SELECT position, hash FROM streams WHERE name = ?", (self.name,)).fetchone()
        return Checkpoint(row["position"], row["hash"]) if row else Checkpoint(0, "")

    async def apply(self, entries: Sequence[Entry]) -> None:
        await self.store.transact(self.applying, entries, self.move_checkpoint)

    def move_checkpoint(self, db: Database, last: Entry) -> None:
        db.execute("INSERT OR REPLACE INTO streams VALUES (?, ?, ?)", (self.name, last.position, last.hash()))
