"""Make the second copies again from the log, where it is they that are damaged, once the log is what it was.

What was signed of the log is compared with the new copy's tree, and what the log was told of the metric points with
theirs, before they take the places of the old ones, which are kept beside.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

from msgspec import Struct
from nats.aio.client import Client

from treering.adapters.both_damaged import BACKUP, BOTH, copy_too
from treering.adapters.checkpoints import Seen, check_length, check_root
from treering.adapters.log_check import check_shape, clear_alarm, is_there
from treering.adapters.log_copy import FILE_NAME, UNREADABLE, CopyDamaged, LogCopy, advice, leaf_of
from treering.adapters.log_restore import bootstrap_client
from treering.adapters.log_scrub import entries_between, scrub_copy
from treering.adapters.nats_credentials import make_private_folder
from treering.adapters.nats_server import NatsServer
from treering.adapters.points_copy import POINTS_FILE, PointsCopy, check_sealed
from treering.adapters.read_only import position_of
from treering.adapters.set_aside import free_aside
from treering.adapters.sqlite_view import Database
from treering.adapters.streams import stream_state
from treering.adapters.witnesses import all_seen
from treering.config import Home
from treering.kernel.clock import monotonic_seconds
from treering.kernel.log import LogDamaged, LogUnavailable
from treering.kernel.merkle import Frontier
from treering.kernel.refusal import Refused

PART = "new"


class Recopied(Struct, frozen=True):
    """``signed``: so many of the ``positions`` are what was signed; the others only continue them."""

    positions: int
    signed: int
    points: int
    moved_to: list[str]
    seconds: float


async def recopy(home: Home) -> Recopied:
    """Replace the copies that are not what they were, while treering does not run.

    Raises NatsServerError when it does run, LogDamaged when the log is not what was signed, ``Refused("log.shorter")``
    when the old copy holds more than the log: then it is the log that has to be restored.
    """
    started = monotonic_seconds()
    server = NatsServer(home.root)
    make_private_folder(server.folder)
    server.take_lock()
    home.copy.mkdir(parents=True, exist_ok=True, mode=0o700)
    log, points = LogCopy(part_of(home.copy / FILE_NAME)), PointsCopy(part_of(home.copy / POINTS_FILE))
    try:
        seen = (await asyncio.to_thread(all_seen, home))[0]
        await server.start()
        async with bootstrap_client(server) as client:
            for copy, name in ((log, FILE_NAME), (points, POINTS_FILE)):
                await refuse_shorter(client, copy, home.copy / name)
                await filled_or_told(client, copy, home.copy / name)
        await check_seen(log, seen)
        await check_sealed(points, log)
        old = {copy: home.copy / name for copy, name in ((log, FILE_NAME), (points, POINTS_FILE))}
        whole = [path for copy, path in old.items() if await is_whole(path, copy)]
    finally:
        await server.stop()
        await log.close()
        await points.close()
    for path in whole:
        part_of(path)
    moved = [aside for path in old.values() if path not in whole and (aside := put_in_place(path))]
    clear_alarm(home.copy)
    signed = max((one.head.size for one in seen), default=0)
    return Recopied(log.tree.size, signed, points.tree.size, moved, monotonic_seconds() - started)


def part_of(path: Path) -> Path:
    """Where a copy is made; what an earlier try left there is removed."""
    part = path.with_name(f"{path.name}.{PART}")
    for old in path.parent.glob(f"{part.name}*"):
        old.unlink()
    return part


async def refuse_shorter(client: Client, copy: LogCopy, old: Path) -> None:
    last = (await stream_state(client, copy.source.stream)).last
    held = held_by(old)
    if held is not None and held > last:
        raise Refused(
            "log.shorter",
            f"{copy.source.said} ends at position {last}, and {old} holds {held}: `treering log restore` writes the "
            "stream again from its copy",
        )


def held_by(old: Path) -> int | None:
    try:
        return position_of(old, "commits") if old.exists() else None
    except (sqlite3.DatabaseError, UnicodeDecodeError, TypeError):
        return None  # nothing can be said of it: that is why it is made again


async def filled_or_told(client: Client, copy: LogCopy, old: Path) -> None:
    """LogDamaged says whether the old copy can still mend the log."""
    try:
        await filled(client, copy)
    except LogDamaged as damage:
        before, too = type(copy)(old), ""
        try:
            if is_there(old):
                await before.open()
                too = await copy_too(before)
        except CopyDamaged:
            too = f"Its second copy {old} is damaged too. {BOTH}: {BACKUP}"
        finally:
            await before.close()
        raise LogDamaged(f"{damage}. {too}" if too else str(damage)) from None


async def filled(client: Client, copy: LogCopy) -> None:
    """Each message verified as the monitor does it: none is missing, each commit continues its resource's last."""
    state = await stream_state(client, copy.source.stream)
    check_shape(state, copy.source.said)
    await copy.open()
    async with aclosing(entries_between(client, 0, state.last, copy.source)) as batches:
        async for entries in batches:
            await copy.apply(entries)


async def check_seen(log: LogCopy, seen: list[Seen]) -> None:
    for one in seen:
        check_length(one, log.tree.size)
        await log.read(partial(check_root_of_log, seen=one))


def check_root_of_log(db: Database, seen: Seen) -> None:
    try:
        check_root(db, seen)
    except LogDamaged:
        why = f"the log itself is not the one that {seen.by} is of: nothing was replaced"
        raise LogDamaged(f"{why}. Put a backup back, and keep everything as it is for whoever looks into it") from None


async def hash_on(
    client: Client,
    tree: Frontier,
    last: int,
    seen: Sequence[Seen],
    moved: Callable[[int], None] = lambda position: None,
) -> None:
    """Add the log's positions behind ``tree`` up to ``last`` to it; LogDamaged when they are not what was ``seen``."""
    signed = {one.head.size: one for one in seen}
    async with aclosing(entries_between(client, tree.size, last)) as batches:
        async for entries in batches:
            for entry in entries:
                tree.append(leaf_of(entry.subject, entry.body))
                here = signed.get(tree.size)
                if here is not None and here.head.root != tree.root():
                    raise LogDamaged(f"the log is not the one that {here.by} is of")
            moved(tree.size)


async def is_whole(old: Path, new: LogCopy) -> bool:
    """Whether the old copy holds the same as the new one, in a file that is sound: then it stays where it is."""
    if not is_there(old):
        return False
    before = type(new)(old)
    try:
        await before.open()
        return before.tree.size == new.tree.size and await scrub_copy(before) == new.tree.root()
    except (CopyDamaged, *UNREADABLE):
        return False
    finally:
        await before.close()


def put_in_place(path: Path) -> str:
    """Move the old copy aside and the new one to its place; where the old one is now, "" when there was none."""
    aside = ""
    if path.exists():
        target = free_aside(path, "copies")
        for suffix in ("-wal", "-shm", ""):
            old = Path(f"{path}{suffix}")
            if old.exists():
                old.rename(f"{target}{suffix}")
        aside = str(target)
    path.with_name(f"{path.name}.{PART}").rename(path)
    return aside


async def with_log_judged(client: Client, home: Home, damage: CopyDamaged) -> CopyDamaged:
    """The same damage, with what the log is worth: where it is damaged too, a copy cannot be made from it."""
    try:
        said, told = (await hashed_alone(client, home))[1], str(damage)
    except LogUnavailable:
        return damage
    if BOTH in said:
        told = told.partition(f". {advice(home.copy / FILE_NAME)}")[0]
    return CopyDamaged(damage.position, f"{told}. {said}")


async def hashed_alone(client: Client, home: Home) -> tuple[int, str]:
    """Hash the log without its copy: how many positions, and in a sentence whether it is what was signed."""
    last = (await stream_state(client, "EVT")).last
    tree = Frontier()
    try:
        seen = sorted((await asyncio.to_thread(all_seen, home))[0], key=lambda one: one.head.size)
        for one in seen:
            check_length(one, last)
        await hash_on(client, tree, last, seen)
    except LogDamaged as damage:
        return tree.size, f"The log is damaged too: {damage}. {BOTH}: {BACKUP}"
    signed = max((one.head.size for one in seen), default=0)
    return tree.size, f"The log itself has all of its {tree.size} positions, the first {signed} as they were signed."
