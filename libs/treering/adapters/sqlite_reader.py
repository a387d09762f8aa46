"""Questions to SQLite files on connections of their own: read-only, several at once, each with an end to its time.

A view's writer has one thread; a question that takes long must not keep it from the log. WAL lets readers see
the last transaction meanwhile. Callers take turns (kernel/turns.py): nobody's questions keep another's from a thread.
A question whose time is over while it waits is never run, and one that nobody waits for is stopped.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from treering.adapters.sqlite_faults import is_damage
from treering.adapters.sqlite_open import closed_on_failure, open_read_only, read_only_uri
from treering.adapters.sqlite_reading import INTERRUPTED, ReadConnection, Reading
from treering.adapters.sqlite_view import Database, SqliteView
from treering.kernel.asking import asking
from treering.kernel.refusal import Refused
from treering.kernel.turns import Turns
from treering.kernel.turnstile import Turnstile

T = TypeVar("T")
THREADS = 4  # one caller has two of them at most
TIMEOUT_SECONDS = 20.0  # waiting included
LOOK_SECONDS = 0.1


class SqliteReaders:
    """``attached`` are more files by the name of their schema; ``prepare`` sees each new connection once;
    ``damaged`` makes the error that says what to do when SQLite cannot read the file. The files of ``views`` may be
    replaced while this is open; when they are damaged, their views are told, and ViewDamaged is raised."""

    def __init__(
        self,
        path: Path,
        attached: Mapping[str, Path] = {},
        *,
        threads: int = THREADS,
        prepare: Callable[[Database], None] | None = None,
        damaged: Callable[[Exception], Exception] | None = None,
        views: Sequence[SqliteView] = (),
    ) -> None:
        self.path = path
        self.attached = attached
        self.prepare = prepare
        self.damaged = damaged
        self.views = views
        self.local = threading.local()
        self.opened: list[ReadConnection] = []
        self.under_way: set[Reading[Any]] = set()
        self.looking = False
        self.closed = False
        self.turnstile = Turnstile(Turns(threads, "questions"))
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix=f"read-{path.stem}")

    async def read(self, query: Callable[[Database], T], timeout_seconds: float = TIMEOUT_SECONDS) -> T:
        """Run ``query`` on what is committed now. ``Refused``: ``query.too_long`` when its time is over,
        ``caller.busy`` and ``service.busy`` (turnstile.py); raises AskerGone when its asker leaves."""
        asker, reading, loop = asking.get(), Reading(query, timeout_seconds), asyncio.get_running_loop()
        caller = await self.turnstile.enter(asker, timeout_seconds)
        if self.closed:
            self.turnstile.leave(caller)
            raise Refused("service.busy", "the service is about to stop; try again")
        answer: asyncio.Future[T] = loop.create_future()
        self.threads.submit(self.work, reading, loop, partial(self.thread_free, caller, reading, answer))
        self.under_way.add(reading)
        if not self.looking:
            self.look()
        try:
            return await asker.wait(answer)
        finally:
            if reading in self.under_way:
                reading.stop()

    def work(self, reading: Reading[Any], loop: asyncio.AbstractEventLoop, done: Callable[[Any, Any], None]) -> None:
        """On a thread. It costs less than the futures of ``run_in_executor``, which cannot be told apart from who
        waits: a thread is free when it is, not when somebody goes."""
        answer, failure = None, None
        try:
            answer = self.run(reading)
        except BaseException as error:
            failure = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(done, answer, failure)

    def thread_free(
        self, caller: str, reading: Reading[T], waiting: asyncio.Future[T], answer: T, failure: BaseException | None
    ) -> None:
        self.under_way.discard(reading)
        self.turnstile.leave(caller)
        if waiting.done():  # by a cancellation
            return
        if failure is None:
            waiting.set_result(answer)
        else:
            waiting.set_exception(failure)

    def look(self) -> None:
        """Stop what is over, again and again: between two statements there is nothing to interrupt."""
        for reading in self.under_way:
            if reading.is_over():
                reading.stop()
        self.looking = bool(self.under_way)
        if self.looking:
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self.look)

    def run(self, reading: Reading[T]) -> T:
        for view in self.views:
            view.soundness.require()
        db = self.connection()
        try:
            return reading.run(db)
        except sqlite3.DatabaseError as error:
            raise self.worded(error, reading.timeout_seconds) from error

    def worded(self, error: sqlite3.DatabaseError, timeout_seconds: float) -> Exception:
        """The error for whoever asked; a damaged view learns that it is."""
        if isinstance(error, sqlite3.OperationalError) and str(error) == INTERRUPTED:
            said = f"no answer within {timeout_seconds:g} s; ask for less, such as a shorter time"
            return Refused("query.too_long", said)
        if not is_damage(error):
            return error
        if self.damaged is not None:
            return self.damaged(error)
        replaced = self.local.generation != self.generation()  # what was read is not there any more
        found = [view.soundness.refusal() if replaced else view.soundness.note(error) for view in self.views]
        return found[0] if found else error

    def generation(self) -> int:
        return sum(view.soundness.generation for view in self.views)

    def connection(self) -> ReadConnection:
        """This thread's connection, opened when it is first needed, and again when a file was replaced."""
        known: ReadConnection | None = getattr(self.local, "db", None)
        generation = self.generation()
        if known is not None and generation != self.local.generation:
            self.opened.remove(known)
            known.close()
            known = None
        if known is None:
            self.local.generation = generation
            known = self.local.db = open_attached(self.path, self.attached)
            if self.prepare is not None:
                self.prepare(known)
            self.opened.append(known)
        return known

    async def close(self) -> None:
        self.closed = True
        for reading in self.under_way:
            reading.stop()
        self.threads.shutdown(wait=True)
        for db in self.opened:
            db.close()
        self.opened.clear()


def open_attached(path: Path, attached: Mapping[str, Path]) -> ReadConnection:
    """A connection that cannot change anything, whatever it is told."""
    db = open_read_only(path)
    with closed_on_failure(db):
        db.row_factory = sqlite3.Row
        for name, file in attached.items():
            db.execute(f"ATTACH ? AS {name}", (read_only_uri(file),))
        db.execute("PRAGMA query_only = ON")
    return db
