"""Find the record that a nats-server would not get past when it recovers its store.

Between two records of a block the server notes each position that is missing, one by one. A changed byte in a position
can make that 2^40 of them: the server then neither starts nor ends, and takes ever more memory.
"""

from __future__ import annotations

from pathlib import Path

from treering.adapters.log_copy import BadPosition, LogCopy
from treering.adapters.nats_config import ACCOUNT
from treering.adapters.points_copy import PointsCopy
from treering.adapters.stream_files import HAS_HEADERS, HEAD, blocks_of
from treering.kernel.log import LogDamaged

MISSING_MAX = 1 << 24  # the server notes as many in 1.5 s
MARKS = 0b11 << 62  # of a position: the record was erased, or says that another one was
SAID = {copy.source.stream: copy.source.said for copy in (LogCopy, PointsCopy)}
RESTORE = "Nothing was written. `treering log restore` writes it again from its second copy"
CONSOLE = "Nothing was written. Move that folder away: it holds nothing but console lines of jobs that were running"


def refuse_endless(store: Path) -> None:
    """LogDamaged, naming the stream, file and position, when a nats-server would not get past a record of it."""
    for damage in endless_streams(store).values():
        raise damage


def endless_streams(store: Path) -> dict[str, LogDamaged]:
    """The streams that no nats-server gets past, with what is wrong with each."""
    folders = sorted((store / "jetstream" / ACCOUNT / "streams").glob("*/"))
    return {folder.name: damage for folder in folders if (damage := endless_in(folder))}


def endless_in(stream: Path) -> LogDamaged | None:
    """What is wrong with the stream whose folder this is, when a server would not get past it."""
    for block in blocks_of(stream):
        if found := far_record(block):
            position, claimed = found
            said = SAID.get(stream.name)
            where = f"position {position} of {said or f'the stream {stream}'}"
            why = (
                f"{where} is not what was stored: {block} says position {claimed} there, which no nats-server gets past"
            )
            return BadPosition(position, f"{why}. {RESTORE}") if said else LogDamaged(f"{why}. {CONSOLE}")
    return None


def far_record(block: Path) -> tuple[int, int] | None:
    """The first record that is far behind the one before it: the position that was due, and the one it says."""
    try:
        data = block.read_bytes()
    except FileNotFoundError:  # the server tidies up meanwhile
        return None
    at, before = 0, None
    while len(data) - at >= HEAD.size:
        length, position, _, _ = HEAD.unpack_from(data, at)
        size, position = length & ~HAS_HEADERS, position & ~MARKS
        if before is not None and position - before > MISSING_MAX:
            return before + 1, position
        if size < HEAD.size:
            return None
        at, before = at + size, position
    return None
