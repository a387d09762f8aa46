"""Compare the log with its second copy, position by position, and name the first that differs.

The server answers from its cache and its index as if nothing were wrong, so every body is read and hashed. Three
things are told apart: a position of the log that is gone or other, and a row of the copy that is not what was stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, closing
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple, cast

from nats.aio.client import Client

from treering.adapters.follower import Message, follow_stream
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_copy import (
    UNREADABLE,
    BadPosition,
    CopyDamaged,
    CopyRow,
    LogCopy,
    Source,
    advice,
    check_row,
    each_row,
    frontier_at,
    head_row,
    leaf_of,
    raw_rows,
    said_of,
)
from treering.adapters.sqlite_faults import cannot_write, not_now
from treering.adapters.sqlite_open import open_read_only
from treering.adapters.sqlite_view import Database
from treering.adapters.streams import stream_state
from treering.kernel.clock import monotonic_seconds
from treering.kernel.log import Entry, LogUnavailable
from treering.kernel.merkle import Frontier

SILENCE_MAX_SECONDS = 5.0
COPY_BATCH = 1000


class Scrubbed(NamedTuple):
    """What was compared: up to which position, the root of the tree there, and how fast."""

    positions: int
    root: bytes
    commits_per_second: float


async def entries_between(
    client: Client, after: int, until: int, source: Source = LogCopy.source
) -> AsyncGenerator[list[Entry], None]:
    """Every entry of the log behind ``after`` up to ``until``, in batches; BadPosition names the first missing one."""
    position = after
    stream = follow_stream(client, source.stream, after=after, subject=source.subject)
    async with aclosing(cast(AsyncGenerator[list[Message], None], stream)) as batches:
        while position < until:
            try:
                async with asyncio.timeout(SILENCE_MAX_SECONDS):
                    batch = await anext(batches)
            except TimeoutError:
                raise await silence(client, position + 1, source) from None
            good = [
                Entry(message.position, message.subject, message.data)
                for due, message in enumerate(batch, start=position + 1)
                if message.position == due and due <= until
            ]
            position += len(good)
            if good:
                yield good
            if position < until and len(good) < len(batch):
                raise unreadable(position + 1, source)


async def silence(client: Client, position: int, source: Source) -> Exception:
    """Why nothing comes: the server cannot read the position, or it is slow or away (then LogUnavailable)."""
    if await JetStreamLog(client, source.stream).at(position) is None:
        return unreadable(position, source)
    return LogUnavailable(f"{source.said} sends nothing behind position {position - 1}, though it is there")


def unreadable(position: int, source: Source) -> BadPosition:
    return BadPosition(position, f"position {position} of {source.said} is missing or cannot be read")


async def scrub(
    client: Client, copy: LogCopy, *, after: int = 0, moved: Callable[[int], None] = lambda position: None
) -> Scrubbed:
    """Compare all positions behind ``after`` that the copy holds; ``moved`` hears how far it is.

    Raises BadPosition for the log and CopyDamaged for the copy, each naming the first bad position.
    """
    started = monotonic_seconds()
    head = await copy.read(head_row)
    until = head.position if head else 0
    last = (await stream_state(client, copy.source.stream)).last
    tree = await copy.read(lambda db: frontier_at(db, after))
    async with aclosing(entries_between(client, after, min(until, last), copy.source)) as batches:
        async for entries in batches:
            await copy.read(partial(compare, entries=entries, tree=tree, copy=copy))
            moved(entries[-1].position)
    if last < until:
        why = f"position {last + 1} of {copy.source.said} is gone: it ends at {last}, and the second copy holds {until}"
        raise BadPosition(last + 1, why)
    seconds = max(monotonic_seconds() - started, 1e-6)
    return Scrubbed(until, tree.root(), (until - after) / seconds)


def compare(db: Database, *, entries: list[Entry], tree: Frontier, copy: LogCopy) -> None:
    """Compare a batch of the log with the copy, and add it to ``tree``."""
    rows = raw_rows(db, entries[0].position, entries[-1].position)
    for entry, row in zip_longest(entries, rows):
        hashes = tree.append(leaf_of(entry.subject, entry.body))
        if row != (entry.position, entry.subject, hashes, entry.body):
            raise bad_of_two(entry, CopyRow(*row) if row else None, frontier_at(db, entry.position - 1), copy)


def bad_of_two(entry: Entry, row: CopyRow | None, before: Frontier, copy: LogCopy) -> BadPosition:
    """Which of the two was changed: the row of the copy, when it no longer hashes to what was stored with it."""
    try:
        check_row(row if row and row.position == entry.position else missing(entry.position), before, copy.path)
    except CopyDamaged as damaged:
        return damaged
    return BadPosition(entry.position, f"position {entry.position} of {copy.source.said} is not what was stored")


async def scrub_copy(copy: LogCopy) -> bytes:
    """Hash the copy alone, from its first row to its last; its root. CopyDamaged names the first bad row."""
    head = await copy.read(head_row)
    tree, until = Frontier(), head.position if head else 0
    for first in range(1, until + 1, COPY_BATCH):
        await copy.read(partial(check_rows, first=first, until=until, tree=tree, path=copy.path))
    await asyncio.to_thread(check_file, copy.path)
    return tree.root()


def check_rows(db: Database, *, first: int, until: int, tree: Frontier, path: Path) -> None:
    last = min(first + COPY_BATCH - 1, until)
    rows = each_row(db, first, last)
    row = next(rows, None)
    for position in range(first, last + 1):
        if row is None or row.position != position:
            check_row(missing(position), tree, path)
        else:
            check_row(row, tree, path)
            row = next(rows, None)


def check_file(path: Path) -> None:
    """Raise CopyDamaged when SQLite finds the file itself unsound, such as an index that hides a row."""
    with closing(open_read_only(path)) as db:
        try:
            (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        except UNREADABLE as error:
            if not_now(error):
                raise cannot_write(error, path) from error
            found = str(error)
    if found != "ok":
        raise CopyDamaged(0, f"{said_of(path)} is damaged: {found}. {advice(path)}")


def missing(position: int) -> CopyRow:
    """A row that hashes to nothing."""
    return CopyRow(position, "", b"", b"")
