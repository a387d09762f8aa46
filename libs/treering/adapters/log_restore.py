"""Build a damaged log again from its second copy, and the metric points from theirs.

Restoring moves a damaged stream's folder aside, never deletes it; the event stream stays where only the points are bad.
What the damaged log still has beyond the copy and continues it, is saved first.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from functools import partial
from pathlib import Path

import structlog
from msgspec import Struct
from nats.aio.client import Client

from treering.adapters.appender import REQUEST_FAILED, Ack, acks
from treering.adapters.checkpoints import check_length, check_root
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_check import check_against, check_shape, clear_alarm
from treering.adapters.log_copy import (
    FILE_NAME,
    BadPosition,
    CopyDamaged,
    CopyRow,
    LogCopy,
    pages_between,
    rows_between,
)
from treering.adapters.log_epochs import record_epoch
from treering.adapters.log_scrub import entries_between, scrub, scrub_copy
from treering.adapters.nats_config import ACCOUNT
from treering.adapters.nats_connect import NatsUnavailable, close, connect
from treering.adapters.nats_credentials import make_private_folder, read_credential
from treering.adapters.nats_process import NatsServerError
from treering.adapters.nats_server import NatsServer
from treering.adapters.points_copy import POINTS_FILE, POINTS_STREAM, PointsCopy, check_sealed
from treering.adapters.points_restore import publish_points
from treering.adapters.set_aside import free_aside
from treering.adapters.sqlite_open import open_read_only, remove_database
from treering.adapters.store_recovery import endless_streams
from treering.adapters.streams import bootstrap, stream_state
from treering.adapters.witnesses import all_seen
from treering.config import Home
from treering.kernel.clock import monotonic_seconds, new_id
from treering.kernel.log import Entry, LogDamaged, LogUnavailable, commit_hash, read_commit
from treering.kernel.projector import Checkpoint

BATCH_TIMEOUT_SECONDS = 30.0
RECENT_IDS = 10_000
log = structlog.get_logger()


class Report(Struct, frozen=True):
    """What ``restore`` did. ``salvaged``: commits the log had beyond the copy. ``head`` is the root of its tree.
    ``points``: messages of metric points that were written again, 0 when they were well or there is no copy of them.
    ``epoch``: of what comes behind; "" when the log was well and goes on."""

    positions: int
    salvaged: int
    moved_to: list[str]
    views_forgotten: list[str]
    seconds: float
    head: str
    points: int = 0
    epoch: str = ""


async def restore(home: Home) -> Report:
    """Build the event stream again from the second copy, while treering does not run.

    Raises NatsServerError when it does run, CopyDamaged before anything is touched, LogDamaged when the result
    is not the copy. What was moved aside stays, so it may be said again.
    """
    started = monotonic_seconds()
    if not (home.copy / FILE_NAME).exists():
        raise LogDamaged(f"there is no second copy in {home.copy} to restore from: put a backup of it there")
    server = NatsServer(home.root)
    make_private_folder(server.folder)
    server.take_lock()
    copy, points = LogCopy(home.copy / FILE_NAME), PointsCopy(home.copy / POINTS_FILE)
    has_points = points.path.exists()
    try:
        await copy.open()
        await scrub_copy(copy)
        if has_points:
            await points.open()
            await scrub_copy(points)
        unstartable = {one for one in endless_streams(server.folder / "store") if one == "EVT" or has_points}
        moved_to = [move_aside(server, stream) for stream in sorted(unstartable)]
        salvaged = await salvage(server, copy)
        await check_signed_copy(home, copy)
        bad_points = has_points and await is_damaged(server, partial(check_points, points=points))
        if bad_points:
            await check_sealed(points, copy)
        bad_log = not bad_points or await is_damaged(server, partial(check_events, copy=copy))
        server.take_lock()
        bad = [stream for stream, is_bad in (("EVT", bad_log), (POINTS_STREAM, bad_points)) if is_bad]
        moved_to += [aside for stream in bad if (aside := move_aside(server, stream))]
        root = await build(server, copy, points if bad_points else None)
        epoch = await begin_epoch(server, copy) if bad_log else ""
        clear_alarm(home.copy)
        head = await copy.checkpoint()
        forgotten = await forget_views(home, copy)
        again = points.tree.size if bad_points else 0
        seconds = monotonic_seconds() - started
        return Report(head.position, salvaged, moved_to, forgotten, seconds, root.hex(), again, epoch)
    finally:
        await server.stop()
        await copy.close()
        await points.close()


async def begin_epoch(server: NatsServer, copy: LogCopy) -> str:
    """What the damaged log had beyond the copy is gone, and its positions will be used again: say so in the log."""
    async with bootstrap_client(server) as client:
        return await record_epoch(JetStreamLog(client), after=(await copy.checkpoint()).position)


async def check_signed_copy(home: Home, copy: LogCopy) -> None:
    """LogDamaged unless the copy holds all that was signed: a log restored from less would not start."""
    head = await copy.checkpoint()
    for seen in (await asyncio.to_thread(all_seen, home))[0]:
        check_length(seen, head.position, "second copy")
        await copy.read(partial(check_root, seen=seen))


async def salvage(server: NatsServer, copy: LogCopy) -> int:
    """Add to the copy what the damaged log has beyond it and continues it; how many commits that were."""
    before = (await copy.checkpoint()).position
    try:
        await server.start()
        async with bootstrap_client(server) as client:
            await check_against(client, await copy.checkpoint(), "the second copy")
            last = (await stream_state(client, "EVT")).last
            async with aclosing(entries_between(client, before, last)) as batches:
                async for entries in batches:
                    await add_while_good(copy, entries)
    except CopyDamaged:
        raise
    except (LogDamaged, LogUnavailable, NatsServerError, NatsUnavailable) as end:
        log.info("restore.salvage_ended", why=str(end))
    finally:
        await server.stop()
    return (await copy.checkpoint()).position - before


async def is_damaged(server: NatsServer, look: Callable[[Client], Awaitable[None]]) -> bool:
    """Whether ``look`` finds that a stream has to be written again. CopyDamaged goes on to the caller."""
    try:
        await server.start()
        async with bootstrap_client(server) as client:
            await look(client)
        return False
    except CopyDamaged:
        raise
    except (LogDamaged, LogUnavailable) as end:
        log.info("restore.stream_damaged", why=str(end))
        return True
    finally:
        await server.stop()


async def check_points(client: Client, points: PointsCopy) -> None:
    """LogDamaged unless the stream is what its copy holds; what it has beyond the copy is saved first."""
    before = await points.checkpoint()
    await check_against(client, before, "its second copy", points.source)
    last = (await stream_state(client, POINTS_STREAM)).last
    async with aclosing(entries_between(client, before.position, last, points.source)) as batches:
        async for entries in batches:
            await points.apply(entries)
    await scrub(client, points)


async def check_events(client: Client, copy: LogCopy) -> None:
    """LogDamaged unless the event stream is what the copy holds, position by position, and no longer."""
    await scrub(client, copy)
    state = await stream_state(client, "EVT")
    check_shape(state)
    if state.last != copy.tree.size:
        raise LogDamaged(f"the log has {state.last} positions, its second copy {copy.tree.size}")


async def add_while_good(copy: LogCopy, entries: Sequence[Entry]) -> None:
    try:
        await copy.apply(entries)
    except BadPosition as bad:
        good = [entry for entry in entries if entry.position < bad.position]
        if good:
            await copy.apply(good)
        raise


@asynccontextmanager
async def bootstrap_client(server: NatsServer) -> AsyncIterator[Client]:
    client = await connect(server.url, read_credential(server.home, "bootstrap"), "treering-restore")
    try:
        yield client
    finally:
        await close(client)


def move_aside(server: NatsServer, stream: str) -> str:
    """Rename the stream's folder to the first free ``<stream>.damaged-<n>`` beside the store; "" if there is none."""
    folder = server.folder / "store" / "jetstream" / ACCOUNT / "streams" / stream
    if not folder.exists():
        return ""
    return str(folder.rename(free_aside(server.folder / stream, "logs")))


async def build(server: NatsServer, copy: LogCopy, points: PointsCopy | None = None) -> bytes:
    """A new event stream with every commit of the copy at its position, and likewise one of metric points when there
    are ``points``; the root of the event stream."""
    await server.start()
    async with bootstrap_client(server) as client:
        await bootstrap(client)
        if not (await stream_state(client, "EVT")).last:  # else it is well, and was left where it is
            await republish(client, copy)
        done = await scrub(client, copy)
        check_shape(await stream_state(client, "EVT"))
        if points is not None:
            await publish_points(client, points)
            await scrub(client, points)
        return done.root


async def republish(client: Client, copy: LogCopy) -> None:
    head = (await copy.checkpoint()).position
    ids: set[str] = set()
    async for rows in pages_between(copy, 1, head):
        # Retries of the newest commands shall still be recognised; older ids are out of the server's window.
        headers = [id_header(row, ids) if row.position > head - RECENT_IDS else {} for row in rows]
        ack = await publish_batch(client, rows, headers)
        if ack.error is not None or ack.seq != rows[-1].position:
            why = ack.error.description if ack.error else f"it was stored at {ack.seq}"
            raise LogDamaged(f"position {rows[-1].position} could not be restored: {why}")


def id_header(row: CopyRow, ids: set[str]) -> dict[str, str]:
    commit = read_commit(row.body)
    if commit is None or commit.id in ids:
        return {}  # No commit has no id; one said twice the server would take for a retry and drop.
    id = commit.id
    ids.add(id)
    return {"Nats-Msg-Id": id}


async def publish_batch(client: Client, rows: Sequence[CopyRow], headers: Sequence[dict[str, str]]) -> Ack:
    """All rows as one atomic batch."""
    batch = new_id()
    try:
        for number, (row, header) in enumerate(zip(rows[:-1], headers, strict=False), start=1):
            marks = {**header, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            await client.publish(row.subject, row.body, headers=marks)
        marks = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(len(rows)), "Nats-Batch-Commit": "1"}
        last = rows[-1]
        reply = await client.request(
            last.subject, last.body, timeout=BATCH_TIMEOUT_SECONDS, headers={**headers[-1], **marks}
        )
        return acks.decode(reply.data)
    except REQUEST_FAILED as error:
        raise LogUnavailable(f"positions {rows[0].position} to {rows[-1].position} were not stored: {error}") from error


async def forget_views(home: Home, copy: LogCopy) -> list[str]:
    """Delete the views that have seen what the restored log does not have: they are computed again."""
    forgotten = []
    for path in sorted((home.root / "views").glob("*/*.db")):
        seen = view_checkpoint(path)
        row = await copy.read(partial(rows_between, first=seen.position, last=seen.position))
        if seen.position and not (row and commit_hash(row[0].subject, row[0].body) == seen.hash):
            remove_database(path)
            forgotten.append(str(path))
    return forgotten


def view_checkpoint(path: Path) -> Checkpoint:
    """What the view has seen. An index that follows a view has no checkpoint of its own: that view's is what counts."""
    try:
        with closing(open_read_only(path)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'checkpoint'").fetchone():
                return Checkpoint(0, "")
            return Checkpoint(*db.execute("SELECT position, hash FROM checkpoint").fetchone())
    except (sqlite3.DatabaseError, TypeError):
        return Checkpoint(-1, "")  # Not readable: to be computed again in any case.
