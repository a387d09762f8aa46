"""A million commits from the log into the audit view. Bars: CPU an event within 2 times of decoding and inserting
the same rows alone; memory flat. ``TREERING_BENCH_COMMITS`` takes another number.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from nats.aio.client import Client

from bench.report import Line, report
from treering.adapters.appender import Appender
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.sqlite_view import SqliteView
from treering.kernel.clock import new_id
from treering.kernel.log import Commit, Entry, commit_id, encoder
from treering.telemetry import configure_logging
from treering.testing.nats import running_nats
from treering.views.audit import AuditView

COMMITS = int(os.environ.get("TREERING_BENCH_COMMITS") or 1_000_000)
WRITERS = 400
AT = datetime(2026, 1, 1, tzinfo=UTC)


def commit(subject: str, number: int) -> bytes:
    events = encoder.encode([{"type": "job.updated", "display_name": f"run {number}", "tags": {"team": "vision"}}])
    return encoder.encode(Commit(new_id(), new_id(), 1, AT, "u_1", new_id(), events=msgspec.Raw(events)))


async def fill(client: Client) -> None:
    appender = Appender(client)
    numbers = iter(range(COMMITS))

    async def writer() -> None:
        for number in numbers:
            subject = f"evt.main.job.j{number}"
            await appender.append(subject, commit(subject, number), id=commit_id(subject, "c"), expected=0)

    await asyncio.gather(*(writer() for _ in range(WRITERS)))


async def replay(client: Client, path: Path) -> tuple[float, list[int]]:
    """CPU microseconds an event, and the resident memory in MB after each tenth."""
    view = SqliteView(AuditView(), path)
    await view.open()
    began, seen = time.process_time(), 0
    memory: list[int] = []
    async for batch in JetStreamLog(client).follow():
        await view.apply(batch)
        seen += len(batch)
        if seen >= (len(memory) + 1) * COMMITS // 10:
            memory.append(resident_mb())
        if seen >= COMMITS:
            break
    taken = time.process_time() - began
    await view.close()
    return taken / COMMITS * 1e6, memory


def resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1_000_000


def bare(path: Path, sample: Sequence[Entry]) -> float:
    """CPU microseconds an event to decode a commit and insert its row, in the same transactions, and no more."""
    decoder = msgspec.json.Decoder(dict[str, Any])
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"CREATE TABLE events (id INTEGER PRIMARY KEY, {', '.join(f'c{n}' for n in range(15))})")
    insert = f"INSERT INTO events VALUES ({', '.join('?' * 16)})"
    began = time.process_time()
    for start in range(0, len(sample), 1000):
        rows = []
        for entry in sample[start : start + 1000]:
            found = decoder.decode(entry.body)
            _, workspace, kind, key = entry.subject.split(".")
            (event,) = found["events"]
            rows.append(
                (entry.position << 20, entry.position, 0, workspace, kind, key, event["type"], found["at"],
                 found["actor"], found["cause"], found["command_id"], found["id"], "", "", "", entry.body)
            )  # fmt: skip
        db.execute("BEGIN")
        db.executemany(insert, rows)
        db.execute("COMMIT")
    taken = time.process_time() - began
    db.close()
    return taken / len(sample) * 1e6


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with running_nats(folder) as nats:
            await fill(await nats.connect("registry"))
            ours, memory = await replay(await nats.connect("monitor"), folder / "audit.db")
        sample = [Entry(n, s := f"evt.main.job.j{n}", commit(s, n)) for n in range(1, min(COMMITS, 100_000) + 1)]
        alone = bare(folder / "bare.db", sample)
    report(
        f"replay of {COMMITS:,} commits into the audit view",
        Line("decode and insert alone, CPU an event", f"{alone:.1f} us"),
        Line("from the log into the view, CPU an event", f"{ours:.1f} us", ours / alone, "<=", 2.0),
        Line("resident memory at a tenth of the way", f"{memory[0]} MB"),
        Line("resident memory at the end", f"{memory[-1]} MB", memory[-1] / memory[0], "<=", 1.2),
    )


if __name__ == "__main__":
    configure_logging("bench")
    uvloop.run(main())
