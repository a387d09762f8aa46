"""Is this the log we knew? Asked at every start, before anything is written.

A nats-server starts silently on a damaged store and uses lost positions again. So what a service has seen
(its checkpoint: a position and the hash of the commit there) is compared with what the server now has, and,
where the second copy is on this machine, with the newest part of that.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from nats.aio.client import Client

from treering.adapters.both_damaged import copy_too
from treering.adapters.checkpoints import check_length, check_root, read_own
from treering.adapters.free_space import MIB
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_copy import FILE_NAME, BadPosition, CopyDamaged, LogCopy, Source, advice
from treering.adapters.log_files import said_where
from treering.adapters.log_scrub import scrub
from treering.adapters.nats_credentials import write_private
from treering.adapters.points_copy import POINTS_FILE, PointsCopy, check_sealed, last_seal
from treering.adapters.streams import StreamState, require_streams, stream_state
from treering.adapters.witnesses import all_seen
from treering.config import Home
from treering.kernel.log import LogDamaged
from treering.kernel.projector import Checkpoint

ADVICE = "Nothing was written. Run `treering log verify` to see more and `treering log restore` to mend it"

NEWEST_POSITIONS = 2000
SMALL_POSITIONS = 15_000  # hashed in a quarter of a second
POINTS_NEWEST = 50  # of up to 1 MiB each
SMALL_POINTS_BYTES = 16 * MIB  # their copy's file: compared whole as fast as the log above
ALARM_FILE_NAME = "alarm"
FOUND_BEFORE = "An earlier look found that: `treering log verify` looks again, and lets it start when all is well"


async def deep_check(client: Client, copy_path: Path, last: int = NEWEST_POSITIONS) -> None:
    """Compare the log with the copy in the file ``copy_path``: head, count, and the bodies of the ``last`` positions.

    A log of at most SMALL_POSITIONS is compared whole. An alarm of an earlier scrub still counts. Without a
    copy there is nothing to compare. Raises BadPosition (of the copy: CopyDamaged), naming the first bad position.
    """
    if not is_there(copy_path):
        return
    if alarm := read_alarm(copy_path.parent):
        raise LogDamaged(f"{alarm}. {FOUND_BEFORE}")
    copy = LogCopy(copy_path)
    await copy.open()
    try:
        await check_with_copy(client, copy, last)
    finally:
        await copy.close()


async def check_points(client: Client, home: Home) -> None:
    """The same for the metric points, and for what the log says of them."""
    if not is_there(home.copy / FILE_NAME):
        return
    points, log = PointsCopy(home.copy / POINTS_FILE), LogCopy(home.copy / FILE_NAME)
    try:
        await points.open()
        await log.open()
        await check_points_copy(client, points, log)
    finally:
        await points.close()
        await log.close()


async def check_points_copy(client: Client, points: PointsCopy, log: LogCopy) -> None:
    """A copy that is not there yet is made from the stream, and then compared with what the log says."""
    await check_with_copy(client, points, POINTS_NEWEST)
    last = (await stream_state(client, points.source.stream)).last
    if points.tree.size or last < (await log.read(last_seal)).positions:
        await check_sealed(points, log)


def is_there(copy_path: Path) -> bool:
    return copy_path.exists()


async def check_with_copy(client: Client, copy: LogCopy, last: int = NEWEST_POSITIONS) -> None:
    """What ``deep_check`` does, with a copy that is open already and without the alarm."""
    try:
        await compare_newest(client, copy, last)
        state = await stream_state(client, copy.source.stream)
        check_shape(state, copy.source.said)
        if state.last and await JetStreamLog(client, copy.source.stream).at(state.last) is None:
            raise BadPosition(state.last, f"position {state.last} of {copy.source.said} cannot be read")
    except CopyDamaged:
        raise
    except BadPosition as bad:
        where = said_where(copy.path, copy.source.stream, bad.position)
        raise BadPosition(bad.position, f"{bad}{where}. {await copy_too(copy) or ADVICE}") from None


async def compare_newest(client: Client, copy: LogCopy, last: int) -> None:
    await require_streams(client, copy.source.stream)
    head = await copy.checkpoint()
    after = 0 if is_small(copy, head.position) else max(head.position - last, 0)
    try:
        await scrub(client, copy, after=after)
    except BadPosition:
        await scrub(client, copy)  # Something is wrong: take the time to name the first bad position.
        raise


def is_small(copy: LogCopy, positions: int) -> bool:
    """Whether a start has the time to compare all of it."""
    if copy.source is LogCopy.source:
        return positions <= SMALL_POSITIONS
    return copy.path.stat().st_size <= SMALL_POINTS_BYTES


def read_alarm(copy_folder: Path) -> str:
    """What the last scrub found wrong; "" when it was clean."""
    try:
        return (copy_folder / ALARM_FILE_NAME).read_text()
    except FileNotFoundError:
        return ""


def write_alarm(copy_folder: Path, why: str) -> None:
    """Remember, over restarts, that the log is damaged: no service writes to it until it is restored."""
    write_private(copy_folder / ALARM_FILE_NAME, why.encode())


def clear_alarm(copy_folder: Path) -> None:
    (copy_folder / ALARM_FILE_NAME).unlink(missing_ok=True)


async def check_signed(client: Client, home: Home, copy: LogCopy | None = None) -> list[str]:
    """Compare the log, and its copy if there is one, with the last checkpoint and with what the witnesses hold.

    Raises LogDamaged when it was set back or rewritten since; returns what is wrong with witnesses that are silent.
    """
    seen, silent = await asyncio.to_thread(all_seen, home)
    last = (await stream_state(client, "EVT")).last
    for one in seen:
        check_length(one, last)
        if copy is not None:
            await copy.read(partial(check_root, seen=one))
    return silent


async def check_all_signed(client: Client, home: Home) -> None:
    """What ``check_signed`` does, before any service has opened the second copy."""
    path = home.copy / FILE_NAME
    if not is_there(path):
        await check_signed(client, home)
        return
    copy = LogCopy(path)
    await copy.open()
    try:
        await check_signed(client, home, copy)
        await check_copy_length(home, copy)
    finally:
        await copy.close()


async def check_copy_length(home: Home, copy: LogCopy) -> None:
    """CopyDamaged when the copy ends before what was signed here: only what it holds is ever signed."""
    own = await asyncio.to_thread(read_own, home)
    head = await copy.checkpoint()
    if own is not None and head.position < own.head.size:
        why = f"the second copy ends at position {head.position}, but {own.by} is of {own.head.size} commits of it"
        raise CopyDamaged(head.position + 1, f"{why}: its end was cut off. {advice(copy.path)}")


async def check_against(client: Client, checkpoint: Checkpoint, seen_by: str, source: Source = LogCopy.source) -> None:
    """Raise LogDamaged, naming the first bad position, unless the log still holds what ``seen_by`` has seen."""
    await require_streams(client, source.stream)
    state = await stream_state(client, source.stream)
    check_shape(state, source.said)
    if checkpoint.position > state.last:
        raise LogDamaged(
            f"{source.said} ends at position {state.last}, but {seen_by} has seen {checkpoint.position}: "
            f"position {state.last + 1} is the first that is gone. {ADVICE}"
        )
    if checkpoint.position == 0:
        return
    entry = await JetStreamLog(client, source.stream).at(checkpoint.position)
    if entry is None or entry.hash() != checkpoint.hash:
        what = "is missing or unreadable" if entry is None else "is not the commit"
        raise LogDamaged(f"position {checkpoint.position} of {source.said} {what} that {seen_by} has seen. {ADVICE}")


def check_shape(state: StreamState, said: str = LogCopy.source.said) -> None:
    """The stream has every position from 1 to its last, and nothing lost."""
    if state.lost:
        raise LogDamaged(f"the server says it lost messages of {said}: {state.lost}. {ADVICE}")
    if state.messages != state.last or (state.last and state.first != 1):
        raise LogDamaged(
            f"{said} should hold positions 1 to {state.last} and holds {state.messages} messages "
            f"from position {state.first}. {ADVICE}"
        )
