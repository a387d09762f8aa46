"""I5: every view, and the second copy, is what the log makes of it: computed again from scratch and compared."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from tests.system.history import History
from tests.system.installation import Installation

from treering.adapters.log_copy import FILE_NAME
from treering.adapters.sqlite_view import SqliteView, View
from treering.kernel.log import Entry
from treering.views.audit import AuditView
from treering.views.lifecycle import LifecycleView
from treering.views.states import StatesView

STATES_OF = ("registry", "gateway", "scheduler")
CATCH_UP_SECONDS_MAX = 15.0
POLL_SECONDS = 0.05
JUDGINGS_MAX = 5
CHECKPOINT = "SELECT position FROM checkpoint"
Rows = dict[str, list[tuple[Any, ...]]]


async def judge_views(installation: Installation) -> list[str]:
    """Call it when no job is under way; the stores are given time to catch up. A node that joins again meanwhile makes
    the log longer than it was when we began: then all is judged again."""
    home, history = installation.home, installation.history
    stores = [(home.views(service) / "states.db", "states") for service in STATES_OF]
    stores += [(home.views("monitor") / f"{name}.db", name) for name in ("audit", "lifecycle")]
    for _ in range(JUDGINGS_MAX):
        entries = list(history.entries)
        head = entries[-1].position if entries else 0
        found = await judge_stores(stores, entries, head)
        found += await judge_copy(home.copy / FILE_NAME, entries)
        furthest = max(reached(path, CHECKPOINT) for path, _ in stores)
        if furthest <= head:
            break
        await until(partial(is_at, history, furthest), CATCH_UP_SECONDS_MAX)
    return found


def is_at(history: History, position: int) -> bool:
    return history.head >= position


async def judge_stores(stores: list[tuple[Path, str]], entries: list[Entry], head: int) -> list[str]:
    rebuilt = {view.name: await rebuild(view, entries) for view in (StatesView(), AuditView(), LifecycleView())}
    found = []
    for path, name in stores:
        if not await at_position(path, CHECKPOINT, head):
            found.append(f"I5: {path} does not reach position {head}")
        else:
            found += differences(path, dump(path), rebuilt[name])
    return found


async def judge_copy(path: Path, entries: list[Entry]) -> list[str]:
    if not await at_position(path, "SELECT max(position) FROM commits", len(entries)):
        return [f"I5: {path} does not reach position {len(entries)}"]
    with closing(read_only(path)) as db:
        sql = "SELECT position, subject, body FROM commits WHERE position <= ? ORDER BY position"
        rows = db.execute(sql, (len(entries),)).fetchall()
    wrong = [entry.position for row, entry in zip(rows, entries, strict=True) if tuple(row) != tuple(entry)]
    return [f"I5: position {wrong[0]} of the second copy is not that of the log"] if wrong else []


async def rebuild(view: View, entries: list[Entry]) -> Rows:
    """The view's rows when it sees all entries in one batch, which no running service did."""
    store = SqliteView(view, ":memory:")
    await store.open()
    try:
        if entries:
            await store.apply(entries)
        return await store.read(rows_of)
    finally:
        await store.close()


def dump(path: Path) -> Rows:
    with closing(read_only(path)) as db:
        return rows_of(db)


def rows_of(db: sqlite3.Connection) -> Rows:
    """Every row of every table, SQLite's own excepted; in the order of their contents."""
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        table: sorted((tuple(row) for row in db.execute(f"SELECT * FROM {table}")), key=repr)
        for table in sorted(tables)
        if not table.startswith("sqlite_")
    }


def differences(path: Path, kept: Rows, rebuilt: Rows) -> list[str]:
    """The first row that differs in each table."""
    found = []
    for table in sorted(kept.keys() | rebuilt.keys()):
        ours, theirs = kept.get(table, []), rebuilt.get(table, [])
        if ours != theirs:
            extra = next((row for row in ours if row not in theirs), None)
            missing = next((row for row in theirs if row not in ours), None)
            found.append(f"I5: {path} table {table}: kept {str(extra)[:600]}, rebuilt {str(missing)[:600]}")
    return found


async def at_position(path: Path, sql: str, position: int) -> bool:
    """Whether the store reaches ``position`` in time; it is another process's, so it can only be asked."""
    return await until(lambda: reached(path, sql) >= position, CATCH_UP_SECONDS_MAX)


async def until(true: Callable[[], bool], timeout_seconds: float) -> bool:
    try:
        async with asyncio.timeout(timeout_seconds):
            while not true():  # noqa: ASYNC110 (another process cannot set our event)
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        return False
    return True


def reached(path: Path, sql: str) -> int:
    try:
        with closing(read_only(path)) as db:
            row = db.execute(sql).fetchone()
            return int(row[0] or 0) if row else 0
    except sqlite3.OperationalError:
        return 0


def read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
