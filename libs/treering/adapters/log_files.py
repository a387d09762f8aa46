"""Compare the files of a nats-server with the second copy, also while it runs and answers from its memory.

A byte that is changed on the disk under a running server is served as it was, until a restart finds the message
unreadable. The log is on this machine only where its server is: elsewhere there is nothing to read here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from treering.adapters.log_copy import BadPosition, LogCopy, head_row
from treering.adapters.log_scrub import compare
from treering.adapters.nats_config import ACCOUNT
from treering.adapters.sqlite_view import Database
from treering.adapters.stream_files import HEAD, FileDamaged, Record, blocks_of, key_of, records_of, sum_of
from treering.config import Home
from treering.kernel.log import Entry
from treering.kernel.merkle import Frontier

BATCH = 500
SUMS_MAX = 500  # of the newest messages: what a server reads from the disk it checks itself, but not what it just wrote
ADVICE = (
    "The server answers from its memory and will have lost it when it is started again: stop treering, then "
    "`treering log restore` writes the log from the second copy"
)


def folder_of(home: Home, stream: str) -> Path:
    return home.nats / "store" / "jetstream" / ACCOUNT / "streams" / stream


def said_where(copy: Path, stream: str, position: int) -> str:
    """Which file of the server holds a position, for the end of a sentence; "" when none is beside the copy."""
    blocks = blocks_of(folder_of(Home(copy.parent.parent), stream))
    if not blocks:
        return ""
    count = sum(1 for path in blocks if first_in(path) <= position)
    gone = gone_behind(blocks, count)
    if gone and (not count or position > last_in(blocks[count - 1])):
        return f" ({gone}, which is gone)"
    return f" ({blocks[max(count - 1, 0)]})"


def gone_behind(blocks: list[Path], count: int) -> Path | None:
    """The file whose number is missing behind the first ``count`` blocks: they are numbered from 1 without a gap."""
    number = int(blocks[count - 1].stem) + 1 if count else 1
    if count < len(blocks) and number < int(blocks[count].stem):
        return blocks[count].with_name(f"{number}.blk")
    return None


def last_in(block: Path) -> int:
    """The position of the last record that can be read, 0 for none."""
    position = 0
    try:
        for record in records_of(block, first_in(block), last=True):
            position = record.position
    except (FileDamaged, OSError):
        pass
    return position


def first_in(block: Path) -> int:
    """The position of its first record, 0 when it cannot be told."""
    try:
        with block.open("rb") as file:
            head = file.read(HEAD.size)
    except OSError:
        return 0
    return int(HEAD.unpack(head)[1]) if len(head) == HEAD.size else 0


async def scrub_files(home: Home, copy: LogCopy, *, sums_max: int = SUMS_MAX) -> int:
    """Compare all that ``copy`` holds with the server's files; how many positions that were, 0 where none are here.

    Raises BadPosition for the files and CopyDamaged for the copy, each naming the first bad position. The copy is read
    first: what it holds is on the disk, and what comes meanwhile is behind its end.
    """
    folder = folder_of(home, copy.source.stream)
    head = await copy.read(head_row)
    if head is None or not folder.is_dir():
        return 0
    try:
        return await compared(folder, copy, head.position, sums_max)
    except FileDamaged:
        return await named(folder, copy, head.position, sums_max)


async def named(folder: Path, copy: LogCopy, until: int, sums_max: int) -> int:
    """Look once more, since a block may be read while it is written; what is still wrong is damage."""
    try:
        return await compared(folder, copy, until, sums_max)
    except FileDamaged as bad:
        why = f"position {bad.position} of {copy.source.said} is not what was stored in {bad.path} ({bad.why})"
        raise BadPosition(bad.position, f"{why}. {ADVICE}") from None


async def compared(folder: Path, copy: LogCopy, until: int, sums_max: int) -> int:
    tree, due = Frontier(), 1
    blocks = blocks_of(folder)
    for number, block in enumerate(blocks):
        if due > until:
            break
        if (begins := first_in(block)) > due and (gone := gone_behind(blocks, number)):
            raise FileDamaged(gone, due, f"the file is gone, with positions {due} to {begins - 1}")
        records = await asyncio.to_thread(read_block, block, due, block == blocks[-1])
        due += len(records)
        await asyncio.to_thread(check_sums, copy.source.stream, block, records, until - sums_max)
        for entries in batches(records, until):
            await copy.read(partial(compare_block, entries=entries, tree=tree, copy=copy, block=block))
    if due <= until:
        raise FileDamaged(folder / "msgs", due, f"the last file there ends at position {due - 1}")
    return until


def read_block(block: Path, due: int, last: bool) -> list[Record]:
    return list(records_of(block, due, last=last))


def check_sums(stream: str, block: Path, records: list[Record], after: int) -> None:
    """FileDamaged for the first record behind ``after`` whose hash is not right: a start would leave it out."""
    key = key_of(stream, block)
    for record in records:
        if record.position > after and sum_of(record, key) != record.sum:
            raise FileDamaged(block, record.position, "its sum is not right")


def batches(records: list[Record], until: int) -> Iterator[list[Entry]]:
    wanted = [
        Entry(one.position, one.subject.decode(errors="surrogateescape"), one.body)
        for one in records
        if one.position <= until
    ]
    return (wanted[at : at + BATCH] for at in range(0, len(wanted), BATCH))


def compare_block(db: Database, *, entries: list[Entry], tree: Frontier, copy: LogCopy, block: Path) -> None:
    """``log_scrub.compare``, naming the file where it is the file that was changed."""
    try:
        compare(db, entries=entries, tree=tree, copy=copy)
    except BadPosition as bad:
        if type(bad) is not BadPosition:
            raise
        raise BadPosition(bad.position, f"{bad} in the file {block}. {ADVICE}") from None
