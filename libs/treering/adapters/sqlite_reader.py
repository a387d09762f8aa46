"""Questions to SQLite files on connections of their own: read-only, several at once, each with an end to its time.

A view's writer has one thread; a question that takes long must not keep it from the log. WAL lets readers see
the last transaction meanwhile.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from treering.adapters.sqlite_view import Database
from treering.kernel.clock import monotonic_seconds
from treering.kernel.refusal import Refused

T = TypeVar("T")
THREADS = 2
WAITING_MAX = 64
TIMEOUT_SECONDS = 20.0
STEPS = 5000  # of SQLite's machine between two looks at the clock: about 0.1 ms


class SqliteReaders:
    """``attached`` are more files by the name of their schema; ``prepare`` sees each new connection once;
    ``damaged`` makes the error that says what to do when SQLite cannot read the file."""

    def __init__(
        self,
        path: Path,
        attached: Mapping[str, Path] = {},
        *,
        threads: int = THREADS,
        prepare: Callable[[Database], None] | None = None,
        damaged: Callable[[Exception], Exception] | None = None,
    ) -> None:
        self.path = path
        self.attached = attached
        self.prepare = prepare
        self.damaged = damaged
        self.local = threading.local()
        self.opened: list[Database] = []
        self.waiting = 0
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix=f"read-{path.stem}")

    async def read(self, query: Callable[[Database], T], timeout_seconds: float = TIMEOUT_SECONDS) -> T:
        """Run ``query`` on what is committed now; ``Refused("query.too_long")`` when its time is over."""
        if self.waiting >= WAITING_MAX:
            raise Refused("service.busy", f"{WAITING_MAX} questions are waiting already; try again")
        self.waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.threads, self.run, query, timeout_seconds)
        finally:
            self.waiting -= 1

    def run(self, query: Callable[[Database], T], timeout_seconds: float) -> T:
        db = self.connection()
        deadline = monotonic_seconds() + timeout_seconds
        db.set_progress_handler(lambda: monotonic_seconds() > deadline, STEPS)
        try:
            return query(db)
        except sqlite3.OperationalError as error:
            if str(error) != "interrupted":
                raise
            raise Refused(
                "query.too_long", f"no answer within {timeout_seconds:g} s; ask for less, such as a shorter time"
            ) from None
        except sqlite3.DatabaseError as error:
            if self.damaged is None:
                raise
            raise self.damaged(error) from error
        finally:
            db.set_progress_handler(None, 0)

    def connection(self) -> Database:
        """This thread's connection, opened when it is first needed."""
        known: Database | None = getattr(self.local, "db", None)
        if known is None:
            known = self.local.db = open_read_only(self.path, self.attached)
            if self.prepare is not None:
                self.prepare(known)
            self.opened.append(known)
        return known

    async def close(self) -> None:
        self.threads.shutdown(wait=True)
        for db in self.opened:
            db.close()
        self.opened.clear()


def open_read_only(path: Path, attached: Mapping[str, Path] = {}) -> Database:
    """A connection that cannot change anything, whatever it is told."""
    db = sqlite3.connect(read_only_uri(path), uri=True, isolation_level=None, check_same_thread=False)
    try:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA busy_timeout = 5000")
        for name, file in attached.items():
            db.execute(f"ATTACH ? AS {name}", (read_only_uri(file),))
        db.execute("PRAGMA query_only = ON")
    except BaseException:
        db.close()
        raise
    return db


def read_only_uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"
