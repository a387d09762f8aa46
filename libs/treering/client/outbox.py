"""Events that wait on disk: for a publisher that must not lose any while the installation is away.

One SQLite file. An event is on the disk before ``put`` returns, and leaves the file after the installation has said
that it is stored; if we die between the two it is said again, and stored once. They go in the order they came.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treering.adapters.sqlite_open import open_shared
from treering.kernel.refusal import Refused

if TYPE_CHECKING:
    from treering.client.publisher import NotStored, Waiting

WAITING_MAX = 1_000_000
BUSY_SECONDS = 10.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT, workspace TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS refused (
  number INTEGER PRIMARY KEY AUTOINCREMENT, workspace TEXT NOT NULL, body BLOB NOT NULL, code TEXT NOT NULL,
  detail TEXT NOT NULL
);
"""


class Outbox:
    """What waits for ``workspace`` in ``file``; threads may share it. ``Refused("outbox.unusable")``."""

    def __init__(self, file: Path, workspace: str, waiting_max: int = WAITING_MAX) -> None:
        self.workspace = workspace
        self.waiting_max = waiting_max
        self.lock = threading.Lock()
        try:
            self.db = open_shared(file, "FULL", BUSY_SECONDS)
            self.db.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise Refused("outbox.unusable", f"{file} cannot be an outbox: {error}") from None
        self.count = int(self.one("SELECT count(*) FROM outbox WHERE workspace = ?", workspace))

    def one(self, sql: str, *values: Any) -> Any:
        return self.db.execute(sql, values).fetchone()[0]

    def put(self, body: bytes) -> None:
        """``Refused("outbox.full")``, so that a disk is not filled while nobody looks."""
        with self.lock:
            if self.count >= self.waiting_max:
                raise Refused("outbox.full", f"{self.waiting_max} events wait in the outbox already")
            self.db.execute("INSERT INTO outbox (workspace, body) VALUES (?, ?)", (self.workspace, body))
            self.count += 1

    def first(self, count_max: int, bytes_max: int) -> list[Waiting]:
        from treering.client.publisher import Waiting, bounded

        sql = "SELECT number, body FROM outbox WHERE workspace = ? ORDER BY number LIMIT ?"
        with self.lock:
            rows = self.db.execute(sql, (self.workspace, count_max)).fetchall()
        return bounded([Waiting(*row) for row in rows], count_max, bytes_max)

    def remove(self, numbers: list[int], refused: list[NotStored]) -> None:
        """Those that are stored, and those that never will be: these stay in the table ``refused``."""
        with self.lock, self.db:
            self.db.execute("BEGIN IMMEDIATE")
            self.db.executemany("DELETE FROM outbox WHERE number = ?", [(number,) for number in numbers])
            rows = [(self.workspace, json.dumps(one.event), one.code, one.detail) for one in refused]
            self.db.executemany("INSERT INTO refused (workspace, body, code, detail) VALUES (?, ?, ?, ?)", rows)
            self.count -= len(numbers)

    def __len__(self) -> int:
        return self.count

    def close(self) -> None:
        with self.lock:
            self.db.close()
