"""Sees that a nats-server which lives has to be started again: it lets nobody in, or its streams store nothing.

lets us in, acknowledges --nobody let in for PATIENCE_SECONDS--> stuck
                         --the store is at its limit, the disk has room again--> stuck
                         --a service says that it is not answered (stalls.py)--> room on the disk? --yes--> stuck
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import nats.errors
import structlog

from treering.adapters.descriptors import spare_descriptor
from treering.adapters.free_space import room_in
from treering.adapters.nats_connect import NatsUnavailable, close, connect
from treering.adapters.nats_credentials import read_credential
from treering.adapters.nats_server import NatsServer
from treering.adapters.nats_users import WATCHDOG
from treering.adapters.stalls import REPORTS
from treering.kernel.clock import monotonic_seconds
from treering.kernel.ending import end, keep_cancellation

PROBE_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
ROOM_SECONDS = 2.0
GROWN_SECONDS = 3.0
log = structlog.get_logger()


async def stuck(server: NatsServer, *, patience_seconds: float = PATIENCE_SECONDS) -> str:
    """Wait until the server has to be started again although it lives; say why.

    One of a cluster may wait for the others: only whether it lets anybody in is looked at then.
    """
    watches = [silent(server, patience_seconds), *([] if server.cluster else [stalled(server), outgrown(server)])]
    tasks = [asyncio.ensure_future(watch) for watch in watches]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        await end(*tasks)


async def silent(server: NatsServer, patience_seconds: float) -> str:
    answered_at = monotonic_seconds()
    while True:
        await asyncio.sleep(min(PROBE_SECONDS, patience_seconds / 2))
        if await server.lets_in(PROBE_SECONDS) or not spare_descriptor():  # without one it is us who cannot ask
            answered_at = monotonic_seconds()
        elif monotonic_seconds() - answered_at >= patience_seconds:
            return f"it lives, and has let nobody in for {monotonic_seconds() - answered_at:.0f} s"


async def stalled(server: NatsServer) -> str:
    """A restart helps only when there is room: it is waited for."""
    subject = await first_report(server)
    log.error("nats.stuck", subject=subject, why="it lives, and acknowledges nothing")
    await until_seen(lambda: has_room(server), ROOM_SECONDS)
    return f"it lives, and its stream for {subject.removeprefix(f'{REPORTS}.')}.> acknowledges nothing"


async def outgrown(server: NatsServer) -> str:
    """A server that was started on a full disk may store nothing, however much room there is later."""
    await until_seen(server.outgrown, GROWN_SECONDS)
    return "its store is at the limit it was started with, and the disk has more room now"


async def until_seen(look: Callable[[], bool], every_seconds: float) -> None:
    """Look in a thread until it is so. A look that fails (no descriptor left, a disk that gives nothing) says nothing
    of the server: the next one may work.
    """
    while True:
        with suppress(OSError):
            if await asyncio.to_thread(look):
                return
        await asyncio.sleep(every_seconds)


def has_room(server: NatsServer) -> bool:
    room = room_in(server.folder)
    return room.free_bytes >= room.services_bytes_min


async def first_report(server: NatsServer) -> str:
    """The subject of the first report of a service."""
    while True:
        with suppress(NatsUnavailable, nats.errors.Error, OSError):
            client = await connect(server.url, read_credential(server.home, WATCHDOG), "treering-watchdog")
            try:
                reports = await client.subscribe(f"{REPORTS}.*")
                return (await keep_cancellation(reports.next_msg(timeout=None))).subject
            finally:
                await close(client)
        await asyncio.sleep(ROOM_SECONDS)
