"""Proof over a long log: the tree as it grows, a proof of one event, and hashing all of it again.

Bars: a proof of one event in at most 10 ms; 200,000 commits hashed a second and core, leaf and tree, reading not
counted (it stands beside); memory flat. Rates are a second of processor time, proofs are by the clock.
``TREERING_BENCH_COMMITS`` takes another number than a million.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import uvloop
from nats.aio.client import Client

from bench.replay import commit, resident_mb
from bench.report import Line, report
from treering.adapters.appender import Appender
from treering.adapters.log_copy import LogCopy, frontier_at, leaf_of, raw_rows
from treering.adapters.log_scrub import entries_between, scrub
from treering.adapters.proofs import check, inclusion_bytes, inclusion_of, prove_consistency, prove_inclusion
from treering.adapters.signing import SigningKey
from treering.kernel.log import Entry, commit_id
from treering.kernel.merkle import Frontier
from treering.telemetry import configure_logging
from treering.testing.nats import running_nats

COMMITS = int(os.environ.get("TREERING_BENCH_COMMITS") or 1_000_000)
STREAM_COMMITS = min(COMMITS, 50_000)
SAMPLE = min(COMMITS, 100_000)
BATCH = 1000
PROOFS = 2000
WRITERS = 400
KEY = SigningKey("treering/bench", bytes(32))


def entries(first: int, last: int) -> Iterator[Entry]:
    for number in range(first, last + 1):
        subject = f"evt.main.job.j{number}"
        yield Entry(number, subject, commit(subject, number))


async def grow(copy: LogCopy) -> tuple[float, list[int]]:
    """Commits taken over a second of processor time, and the resident memory in MB after each tenth."""
    taken, memory = 0.0, [0]
    for first in range(1, COMMITS + 1, BATCH):
        batch = list(entries(first, min(first + BATCH - 1, COMMITS)))
        began = time.process_time()
        await copy.apply(batch)
        taken += time.process_time() - began
        if batch[-1].position * 10 // COMMITS >= len(memory):
            memory.append(resident_mb())
    return COMMITS / taken, memory[1:]


def hashing(sample: list[Entry]) -> float:
    """Commits a second and core: the leaf hash and the tree, of commits that are in memory."""
    began, tree = time.process_time(), Frontier()
    for entry in sample:
        tree.append(leaf_of(entry.subject, entry.body))
    return len(sample) / (time.process_time() - began)


async def reading(copy: LogCopy) -> tuple[float, float]:
    """Rows of the copy a second of processor time, read and no more; and read, hashed and compared."""
    began = time.process_time()
    for first in range(1, COMMITS + 1, BATCH):
        await copy.read(partial(raw_rows, first=first, last=first + BATCH - 1))
    alone = COMMITS / (time.process_time() - began)
    began, tree = time.process_time(), Frontier()
    for first in range(1, COMMITS + 1, BATCH):
        for position, subject, hashes, body in await copy.read(partial(raw_rows, first=first, last=first + BATCH - 1)):
            if tree.append(leaf_of(subject, body)) != hashes:
                raise RuntimeError(f"position {position} is not what was stored")
    return alone, COMMITS / (time.process_time() - began)


async def proofs(copy: LogCopy, chance: random.Random) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds: to prove one event, to check that proof, to prove that the log only grew."""
    made, checked, grown = [], [], []
    note = KEY.sign_head(COMMITS, copy.tree.root())
    for _ in range(PROOFS):
        position, old = chance.randint(1, COMMITS), chance.randint(1, COMMITS)
        (entry,) = entries_at(await copy.read(partial(raw_rows, first=position, last=position)))
        began = time.perf_counter()
        hashes = await copy.read(partial(prove_inclusion, position=position, size=COMMITS, path=copy.path))
        data = inclusion_bytes(inclusion_of(entry, hashes, note))
        made.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        check(data, KEY.verifier)
        checked.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        await copy.read(partial(prove_consistency, old=old, new=COMMITS))
        await copy.read(partial(frontier_at, size=old))
        grown.append((time.perf_counter() - began) * 1e3)
    return made, checked, grown


def entries_at(rows: list[tuple[int, str, bytes, bytes]]) -> list[Entry]:
    return [Entry(position, subject, body) for position, subject, _, body in rows]


async def from_stream(folder: Path) -> tuple[float, float]:
    """Commits a second of this process's time from a real log: read alone; and read, hashed, compared with the copy."""
    async with running_nats(folder) as nats:
        await fill(await nats.connect("registry"))
        client = await nats.connect("monitor")
        copy = LogCopy(folder / "stream.db")
        await copy.open()
        async for batch in entries_between(client, 0, STREAM_COMMITS):
            await copy.apply(batch)
        began = time.process_time()
        async for _ in entries_between(client, 0, STREAM_COMMITS):
            pass
        alone = STREAM_COMMITS / (time.process_time() - began)
        began = time.process_time()
        await scrub(client, copy)
        compared = STREAM_COMMITS / (time.process_time() - began)
        await copy.close()
        return alone, compared


async def fill(client: Client) -> None:
    appender, numbers = Appender(client), iter(range(1, STREAM_COMMITS + 1))

    async def writer() -> None:
        for number in numbers:
            subject = f"evt.main.job.j{number}"
            await appender.append(subject, commit(subject, number), id=commit_id(subject, "c"), expected=0)

    await asyncio.gather(*(writer() for _ in range(WRITERS)))


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stream, stream_compared = await from_stream(folder)
        hashed = hashing(list(entries(1, SAMPLE)))
        copy = LogCopy(folder / "log.db")
        await copy.open()
        taken_over, memory = await grow(copy)
        size = copy.path.stat().st_size
        alone, compared = await reading(copy)
        made, checked, grown = await proofs(copy, random.Random(1))
        await copy.close()
    p50, p95 = statistics.median(made), statistics.quantiles(made, n=20)[18]
    report(
        f"proof over {COMMITS:,} commits",
        Line("hashing alone (leaf and tree, in memory, one core)", f"{hashed:,.0f}/s", hashed / 200_000, ">=", 1.0),
        Line("copy: rows read alone", f"{alone:,.0f}/s"),
        Line("copy: rows read, hashed and compared", f"{compared:,.0f}/s"),
        Line(f"log: {STREAM_COMMITS:,} commits read alone", f"{stream:,.0f}/s"),
        Line("log verify: read, hashed, compared with the copy", f"{stream_compared:,.0f}/s"),
        Line("copy takes over, verified, with its tree", f"{taken_over:,.0f}/s"),
        Line("copy on disk, a commit", f"{size / COMMITS:.0f} bytes"),
        Line("proof of one event, p50", f"{p50:.2f} ms", p50 / 10, "<=", 1.0),
        Line("proof of one event, p95 (what else runs shows here)", f"{p95:.2f} ms"),
        Line("check of that proof with the key, p50", f"{statistics.median(checked):.2f} ms"),
        Line("proof that the log only grew, p50", f"{statistics.median(grown):.2f} ms"),
        Line("resident memory at a tenth of the way", f"{memory[0]} MB"),
        Line("resident memory at the end", f"{memory[-1]} MB", memory[-1] / memory[0], "<=", 1.2),
    )


if __name__ == "__main__":
    configure_logging("bench")
    uvloop.run(main())
