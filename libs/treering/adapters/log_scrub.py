"""Compare the log with its second copy, position by position, and name the first that differs.

The server answers from its cache and its index as if nothing were wrong, so every body is read and hashed. Three
things are told apart: a position of the log that is gone or other, and a row of the copy that is not what was stored.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple, cast

from nats.aio.client import Client

from treering.adapters.follower import Message, follow_stream
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_copy import (
    START,
    BadPosition,
    CopyDamaged,
    CopyRow,
    LogCopy,
    chain_before,
    check_row,
    digest,
    head_row,
    raw_rows,
    rows_between,
)
from treering.adapters.sqlite_view import Database
from treering.adapters.streams import stream_state
from treering.kernel.clock import monotonic_seconds
from treering.kernel.log import Entry, LogUnavailable

SILENCE_MAX_SECONDS = 5.0
COPY_BATCH = 1000


class Scrubbed(NamedTuple):
    """What was compared: up to which position, the chain there, and how fast."""

    positions: int
    chain: bytes
    commits_per_second: float


async def entries_between(client: Client, after: int, until: int) -> AsyncGenerator[list[Entry], None]:
    """Every entry of the log behind ``after`` up to ``until``, in batches; BadPosition names the first missing one."""
    position = after
    stream = follow_stream(client, "EVT", after=after, subject="evt.>")
    async with aclosing(cast(AsyncGenerator[list[Message], None], stream)) as batches:
        while position < until:
            try:
                async with asyncio.timeout(SILENCE_MAX_SECONDS):
                    batch = await anext(batches)
            except TimeoutError:
                raise await silence(client, position + 1) from None
            good = [
                Entry(message.position, message.subject, message.data)
                for due, message in enumerate(batch, start=position + 1)
                if message.position == due and due <= until
            ]
            position += len(good)
            if good:
                yield good
            if position < until and len(good) < len(batch):
                raise unreadable(position + 1)


async def silence(client: Client, position: int) -> Exception:
    """Why nothing comes: the server cannot read the position, or it is slow or away (then LogUnavailable)."""
    if await JetStreamLog(client).at(position) is None:
        return unreadable(position)
    return LogUnavailable(f"the log sends nothing behind position {position - 1}, though it is there")


def unreadable(position: int) -> BadPosition:
    return BadPosition(position, f"position {position} of the log is missing or cannot be read")


async def scrub(
    client: Client, copy: LogCopy, *, after: int = 0, moved: Callable[[int], None] = lambda position: None
) -> Scrubbed:
    """Compare all positions behind ``after`` that the copy holds; ``moved`` hears how far it is.

    Raises BadPosition for the log and CopyDamaged for the copy, each naming the first bad position.
    """
    started = monotonic_seconds()
    head = await copy.read(head_row)
    until = head.position if head else 0
    last = (await stream_state(client, "EVT")).last
    chain = await copy.read(lambda db: chain_before(db, after + 1)) if after else START
    async with aclosing(entries_between(client, after, min(until, last))) as batches:
        async for entries in batches:
            chain = await copy.read(partial(compare, entries=entries, chain=chain, path=copy.path))
            moved(entries[-1].position)
    if last < until:
        why = f"position {last + 1} of the log is gone: it ends at {last}, and the second copy holds {until}"
        raise BadPosition(last + 1, why)
    seconds = max(monotonic_seconds() - started, 1e-6)
    return Scrubbed(until, chain, (until - after) / seconds)


def compare(db: Database, *, entries: list[Entry], chain: bytes, path: Path) -> bytes:
    """Compare a batch of the log with the copy; the chain after it."""
    rows = raw_rows(db, entries[0].position, entries[-1].position)
    for entry, row in zip_longest(entries, rows):
        hash = digest(entry.subject, entry.body)
        next = hashlib.sha256(chain + hash).digest()
        if row is None or (row[0:2], row[3:6]) != (entry[0:2], (entry.body, hash, next)):
            raise bad_of_two(entry, CopyRow(*row) if row else None, chain, path)
        chain = next
    return chain


def bad_of_two(entry: Entry, row: CopyRow | None, chain: bytes, path: Path) -> BadPosition:
    """Which of the two was changed: the row of the copy, when it no longer hashes to what was stored with it."""
    try:
        check_row(row if row and row.position == entry.position else missing(entry.position), chain, path)
    except CopyDamaged as damaged:
        return damaged
    return BadPosition(entry.position, f"position {entry.position} of the log is not the commit that was stored")


async def scrub_copy(copy: LogCopy) -> bytes:
    """Hash the copy alone, from its first row to its last; its chain. CopyDamaged names the first bad row."""
    head = await copy.read(head_row)
    chain, until = START, head.position if head else 0
    for first in range(1, until + 1, COPY_BATCH):
        chain = await copy.read(partial(check_rows, first=first, until=until, chain=chain, path=copy.path))
    return chain


def check_rows(db: Database, *, first: int, until: int, chain: bytes, path: Path) -> bytes:
    last = min(first + COPY_BATCH - 1, until)
    held = {row.position: row for row in rows_between(db, first, last)}
    for position in range(first, last + 1):
        row = held.get(position) or missing(position)
        check_row(row, chain, path)
        chain = row.chain
    return chain


def missing(position: int) -> CopyRow:
    """A row that hashes to nothing."""
    return CopyRow(position, "", 0, b"", b"", b"")
