"""Events that wait on disk: for a publisher that must not lose any while the installation is away.

One SQLite file. An event is on the disk before ``put`` returns, and leaves the file after the installation has said
that it is stored; if we die between the two it is said again, and stored once. They go in the order they came.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.adapters.sqlite_open import open_shared, open_to_look
from treering.kernel.refusal import Refused

if TYPE_CHECKING:
    from treering.client.http import Client
    from treering.client.publisher import NotStored, Waiting

WAITING_MAX = 1_000_000
BUSY_SECONDS = 10.0
KEPT_MAX = 1000
FLUSH_SECONDS = 60.0
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
        self.closed = False
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
            rows = [] if self.closed else self.db.execute(sql, (self.workspace, count_max)).fetchall()
        return bounded([Waiting(*row) for row in rows], count_max, bytes_max)

    def remove(self, numbers: list[int], refused: list[NotStored]) -> None:
        """Those that are stored, and those that never will be: these stay in the table ``refused``."""
        with self.lock, self.db:
            if self.closed:  # they are said again by whoever opens it next, and stored once
                return
            self.db.execute("BEGIN IMMEDIATE")
            self.db.executemany("DELETE FROM outbox WHERE number = ?", [(number,) for number in numbers])
            rows = [(self.workspace, json.dumps(one.event), one.code, one.detail) for one in refused]
            self.db.executemany("INSERT INTO refused (workspace, body, code, detail) VALUES (?, ?, ?, ?)", rows)
            self.count -= len(numbers)

    def __len__(self) -> int:
        return self.count

    def close(self) -> None:
        with self.lock:
            self.closed = True
            self.db.close()


class Kept(NamedTuple):
    """An event in an outbox. ``code`` and ``detail``: why it was refused for good; "" while it waits to be sent."""

    workspace: str
    event: dict[str, Any]
    code: str = ""
    detail: str = ""


class Flushed(NamedTuple):
    """What became of the events that waited: ``left`` still do."""

    stored: int
    refused: int
    left: int


def kept_in(file: Path, most: int = KEPT_MAX) -> list[Kept]:
    """The events that wait in an outbox, in order, then those that were refused; at most ``most`` of each, so that a
    full one is not read whole. ``Refused``: ``outbox.absent``, ``outbox.unusable``."""
    with looked_into(file) as db:
        waiting = db.execute("SELECT workspace, body FROM outbox ORDER BY number LIMIT ?", (most,)).fetchall()
        sql = "SELECT workspace, body, code, detail FROM refused ORDER BY number LIMIT ?"
        refused = db.execute(sql, (most,)).fetchall()
    return [Kept(workspace, json.loads(body), *why) for workspace, body, *why in (*waiting, *refused)]


def waiting_in(file: Path) -> dict[str, int]:
    """How many events wait in an outbox, by workspace."""
    with looked_into(file) as db:
        return dict(db.execute("SELECT workspace, count(*) FROM outbox GROUP BY 1 ORDER BY 1").fetchall())


def flush(client: Client, file: Path, timeout_seconds: float = FLUSH_SECONDS) -> Flushed:
    """Send all that waits in an outbox, of each workspace, in order; at most ``timeout_seconds`` for each."""
    from treering.client.publisher import Publisher

    stored = refused = left = 0
    for workspace, count in waiting_in(file).items():
        said = list[object]()
        stays = Publisher(client, workspace, outbox=file, on_refused=said.append).stop(timeout_seconds)
        stored, refused, left = stored + count - stays - len(said), refused + len(said), left + stays
    return Flushed(stored, refused, left)


@contextmanager
def looked_into(file: Path) -> Iterator[sqlite3.Connection]:
    """An outbox to read; others may use it meanwhile."""
    if not file.exists():
        raise Refused("outbox.absent", f"there is no outbox {file}")
    try:
        with closing(open_to_look(file)) as db:
            yield db
    except (sqlite3.Error, OSError, ValueError) as error:
        raise Refused("outbox.unusable", f"{file} cannot be read as an outbox: {error}") from None
