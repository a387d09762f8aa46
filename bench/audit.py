"""The audit of a long log: how fast its views are made again, and how fast questions are answered then.

Synthetic commits of a job platform go through the views as a replay gives them to them. ``TREERING_BENCH_COMMITS``
takes another number than a million, ``TREERING_BENCH_FOLDER`` a folder that is kept and used again, and
``TREERING_BENCH_PARTS`` ("audit" or "history") only one half: events with their words, or resources with the copy.
``TREERING_BENCH_SHORT`` makes many jobs of two commits each.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.audit_history import DAYS, batches
from bench.replay import bare, resident_mb
from bench.report import Line, report
from treering.adapters.log_copy import LogCopy
from treering.adapters.sqlite_reader import SqliteReaders
from treering.adapters.sqlite_view import Database, SqliteView
from treering.views import audit, lifecycle, search, sql_views
from treering.views.audit_answers import audit as audit_answer
from treering.views.audit_counts import count
from treering.views.copy import list_at
from treering.views.list_at import firsts_at
from treering.views.queries import AuditQuery, CountQuery
from treering.views.sql_answers import SqlQuery, select
from treering.views.time_queries import ListAtQuery

COMMITS = int(os.environ.get("TREERING_BENCH_COMMITS") or 1_000_000)
PARTS = (os.environ.get("TREERING_BENCH_PARTS") or "audit history").split()
SHORT = bool(os.environ.get("TREERING_BENCH_SHORT"))
REPEATS = 25
Timed = dict[str, float]


class Stores:
    """The monitor's files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.audit = SqliteView(audit.AuditView(), folder / "audit.db")
        self.lifecycle = SqliteView(lifecycle.LifecycleView(), folder / "lifecycle.db")
        self.copy = LogCopy(folder / "log.db")
        self.search = search.SearchIndex(folder / "search.db", folder / "audit.db", self.audit.soundness)
        self.readers = SqliteReaders(folder / "audit.db", {search.NAME: folder / "search.db"})
        self.histories = SqliteReaders(folder / "lifecycle.db")
        self.copies = SqliteReaders(folder / "log.db")
        self.sql = sql_views.SqlReaders(folder / "audit.db", folder / "lifecycle.db")

    async def open(self) -> None:
        for store in (self.audit, self.lifecycle, self.copy, self.search):
            await store.open()

    async def close(self) -> None:
        for store in (self.readers, self.histories, self.copies, self.sql, self.search, self.audit, self.lifecycle):
            await store.close()
        await self.copy.close()


async def fill(stores: Stores) -> Timed:
    """Apply every commit; the CPU seconds each part took, and the memory at a tenth and at the end."""
    parts: dict[str, Any] = {"audit": stores.audit} if "audit" in PARTS else {}
    parts |= {"lifecycle": stores.lifecycle, "copy": stores.copy} if "history" in PARTS else {}
    taken = dict.fromkeys(("audit", "lifecycle", "copy"), 0.0)
    seen, tenth = 0, 0.0
    for batch in batches(COMMITS, short=SHORT):
        for name, store in parts.items():
            began = time.process_time()
            await store.apply(batch)
            taken[name] += time.process_time() - began
        seen += len(batch)
        tenth = tenth or (float(resident_mb()) if seen >= COMMITS // 10 else 0.0)
    began = time.process_time()
    await stores.audit.read(audit.make_indices)
    taken["audit_indices"] = time.process_time() - began
    began = time.process_time()
    await stores.lifecycle.read(lifecycle.make_indices)
    taken["lifecycle_indices"] = time.process_time() - began
    began = time.process_time()
    while await stores.search.on_thread(stores.search.index_some):
        pass
    taken["words"] = time.process_time() - began
    return {**taken, "tenth": tenth, "end": float(resident_mb())}


async def p50(readers: SqliteReaders, ask: Callable[[Database], Any]) -> float:
    """The median of many times, in milliseconds; each with other values."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        await readers.read(ask, timeout_seconds=120.0)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def rare_filters(chance: random.Random) -> AuditQuery:
    """Filters of which the rare ones have few events in millions, and the frequent ones half of them."""
    return chance.choice([
        AuditQuery(workspace="main", actor=f"user-{chance.randint(1, 200)}"),
        AuditQuery(actor=f"user-{chance.randint(1, 200)}", type="job.submitted"),
        AuditQuery(type="job.lost"),
        AuditQuery(type="job.*", workspace="side", since=chance.choice(DAYS)),
        AuditQuery(kind="job", until=chance.choice(DAYS)),
        AuditQuery(name=f"job-{chance.randint(1, COMMITS // 6)}"),
        AuditQuery(actor=f"user-{chance.randint(1, 200)}", type="job.cancel_requested", until=chance.choice(DAYS)),
    ])  # fmt: skip


def words(chance: random.Random) -> AuditQuery:
    return chance.choice([
        AuditQuery(text=f"word{chance.randint(1, 5000)}"),
        AuditQuery(text=f"vision word{chance.randint(1, 5000)}"),
        AuditQuery(text=f'"word{chance.randint(1, 5000)} word{chance.randint(1, 5000)}"'),
        AuditQuery(text="vision", until=chance.choice(DAYS)),
        AuditQuery(text=f"word{chance.randint(1, 5000)}", type="job.submitted"),
    ])  # fmt: skip


async def asked(stores: Stores) -> Timed:
    chance = random.Random(7)
    events = await asked_of_events(stores, chance) if "audit" in PARTS else {}
    return events | (await asked_of_resources(stores, chance) if "history" in PARTS else {})


async def asked_of_events(stores: Stores, chance: random.Random) -> Timed:
    def one_day(by: str) -> CountQuery:
        day = chance.choice(DAYS)
        return CountQuery(by, since=day, until=f"{day}T23:59:59.999999Z")

    def sql() -> SqlQuery:
        day = f"BETWEEN '{(day := chance.choice(DAYS))}' AND '{day}T23:59:59.999999Z'"
        return SqlQuery(f"SELECT type, count(*) FROM events WHERE at {day} GROUP BY type")

    read = stores.readers
    return {
        "filtered": await p50(read, lambda db: audit_answer(db, rare_filters(chance))),
        "words": await p50(read, lambda db: audit_answer(db, words(chance))),
        "count": await p50(read, lambda db: count(db, one_day("type"))),
        "actors": await p50(read, lambda db: count(db, one_day("actor"))),
        "sql": await p50(stores.sql.readers, lambda db: select(db, sql(), stores.sql.guard)),
    }


async def asked_of_resources(stores: Stores, chance: random.Random) -> Timed:
    jobs = await stores.histories.read(lambda db: db.execute("SELECT count(*) FROM current").fetchone()[0])
    return {
        "jobs": jobs,
        "list": await p50_list(stores, chance),
        "running": await p50_list(stores, chance, status="Queued" if SHORT else "Running"),
        "one": await p50_list(stores, chance, parent="exp-7"),
    }


async def p50_list(stores: Stores, chance: random.Random, *, status: str = "", parent: str = "") -> float:
    times = []
    for _ in range(REPEATS):
        position = chance.randint(COMMITS // 2, COMMITS)
        query = ListAtQuery("main", "job", str(position), status, parent)
        began = time.perf_counter()
        firsts = await stores.histories.read(partial(firsts_at, query=query, position=position, limit=100))
        await stores.copies.read(partial(list_at, firsts=firsts, position=position, path=stores.copy.path))
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def sizes(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_size // 1_000_000 for path in sorted(folder.glob("*.db"))}


async def main() -> None:
    kept = os.environ.get("TREERING_BENCH_FOLDER")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(kept or name)
        stores = Stores(folder)
        await stores.open()
        try:
            main_store = stores.audit if "audit" in PARTS else stores.lifecycle
            if (await main_store.checkpoint()).position < COMMITS:
                rebuilt(
                    await fill(stores),
                    bare(Path(name) / "bare.db", [one for batch in batches(100_000) for one in batch]),
                )
            answered(await asked(stores), folder)
        finally:
            await stores.close()


def rebuilt(taken: Timed, alone: float) -> None:
    """``alone``: CPU microseconds an event of decoding and inserting the same rows, and no more."""
    each = {name: seconds / COMMITS * 1e6 for name, seconds in taken.items()}
    whole = each["audit"] + each["audit_indices"]
    rate = 1e6 / max(each["audit"], 0.001)
    events = [
        Line("decode and insert alone, CPU an event", f"{alone:.1f} us"),
        Line("audit rows, CPU an event", f"{each['audit']:.1f} us", alone / max(each["audit"], 0.001), ">=", 0.6),
        Line("audit rows a second of CPU (bar 25,000)", f"{rate:,.0f}", rate / 25_000, ">=", 1.0),
        Line("with its indices (bar 40 us)", f"{whole:.1f} us", whole / 40, "<=", 1.0),
        Line("index of words, behind it, CPU an event", f"{each['words']:.1f} us"),
    ]
    resources = [
        Line("lifecycle, usage and versions, CPU an event", f"{each['lifecycle']:.1f} us"),
        Line("their indices", f"{each['lifecycle_indices']:.1f} us"),
        Line("second copy, CPU an event", f"{each['copy']:.1f} us"),
    ]
    report(
        f"views of {COMMITS:,} commits made again (SQLite {sqlite3.sqlite_version})",
        *(events if "audit" in PARTS else []),
        *(resources if "history" in PARTS else []),
        Line("resident memory at a tenth of the way", f"{taken['tenth']:.0f} MB"),
        Line("resident memory at the end", f"{taken['end']:.0f} MB", taken["end"] / taken["tenth"], "<=", 1.5),
    )


QUESTIONS = {  # what, and its bar in milliseconds
    "filtered": ("filtered audit query", 20),
    "words": ("words", 100),
    "count": ("one day by type", 300),
    "actors": ("one day by actor", 300),
    "sql": ("one day by type, in SQL", 300),
    "list": ("jobs as of a position, a page", 50),
    "running": ("running (or queued) jobs as of a position", 50),
    "one": ("jobs of an experiment as of a position", 50),
}


def answered(figures: Timed, folder: Path) -> None:
    """Every median beside its bar."""
    lines = [
        Line(f"{what} (bar {bar} ms), p50", f"{figures[name]:.1f} ms", figures[name] / bar, "<=", 1.0)
        for name, (what, bar) in QUESTIONS.items()
        if name in figures
    ]
    files = ", ".join(f"{name} {size} MB" for name, size in sizes(folder).items())
    of = f" and {figures['jobs']:,} jobs" if "jobs" in figures else ""
    report(f"questions about {COMMITS:,} commits{of}", *lines, Line("files", files))


if __name__ == "__main__":
    asyncio.run(main())
