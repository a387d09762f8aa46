"""One question to a SQLite file, and a connection that can be told to break it off."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from treering.kernel.clock import monotonic_seconds

T = TypeVar("T")
INTERRUPTED = "interrupted"  # what SQLite says
STEPS = 100_000  # of SQLite's machine between two looks whether it was stopped: about 2 ms, if they are cheap ones


class Reading(Generic[T]):
    """One question under way. ``stopped``: its time is over, or nobody waits for its answer."""

    __slots__ = ("db", "deadline", "lock", "query", "stopped", "timeout_seconds")

    def __init__(self, query: Callable[[sqlite3.Connection], T], timeout_seconds: float) -> None:
        self.query = query
        self.timeout_seconds = timeout_seconds
        self.deadline = monotonic_seconds() + timeout_seconds
        self.stopped = False
        self.db: ReadConnection | None = None
        self.lock = threading.Lock()

    def is_over(self) -> bool:
        return self.stopped or monotonic_seconds() > self.deadline

    def stop(self) -> None:
        """Break off what its connection does: sqlite looks for that at every jump, also among costly steps."""
        self.stopped = True
        with self.lock:  # so that it is not the next question of the connection
            if self.db is not None:
                self.db.interrupt()

    def run(self, db: ReadConnection) -> T:
        with self.lock:
            self.db = db
        db.obey(self.is_over)
        try:
            return self.query(db)
        finally:
            with self.lock:
                self.db = None
            db.obey(None)


class ReadConnection(sqlite3.Connection):
    """Asks ``is_over`` before each statement too: SQLite itself is interrupted only in one that has begun."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.is_over: Callable[[], bool] | None = None

    def obey(self, is_over: Callable[[], bool] | None) -> None:
        """Break off what runs when ``is_over`` says so; None: nothing is to be broken off any more."""
        self.is_over = is_over
        self.set_progress_handler(is_over, STEPS if is_over is not None else 0)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        if self.is_over is not None and self.is_over():
            raise sqlite3.OperationalError(INTERRUPTED)
        return super().execute(*arguments)
