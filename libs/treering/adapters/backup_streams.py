"""The two streams of a backup: commits from the verified second copy, metric points from the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from nats.aio.client import Client

from treering.adapters.backup_layout import Tree, tree_of
from treering.adapters.follower import Message, follow_stream
from treering.adapters.log_copy import LogCopy, pages_between
from treering.adapters.log_scrub import SILENCE_MAX_SECONDS
from treering.adapters.points_copy import POINTS_STREAM, PointsCopy
from treering.adapters.streams import stream_state
from treering.kernel.log import Entry, LogUnavailable
from treering.kernel.refusal import Refused


async def copy_log(source: LogCopy, target: LogCopy) -> Tree:
    """Add to ``target`` what ``source`` has beyond it, up to where it ends now.

    ``Refused("backup.other_log")`` when the two do not begin alike, also at the end: then a row was changed.
    """
    wanted, have = await tree_of(source), await tree_of(target)
    if have.positions > wanted.positions or await tree_of(source, have.positions) != have:
        raise Refused(
            "backup.other_log",
            f"the backup holds {have.positions} commits of another log than this one: choose an empty folder",
        )
    async for rows in pages_between(source, have.positions + 1, wanted.positions):
        await target.apply([Entry(row.position, row.subject, row.body) for row in rows])
    if await tree_of(target) != wanted:
        raise Refused("log.damaged", "the second copy is not what was stored: `treering log verify` says where")
    return wanted


async def copy_points(client: Client, target: PointsCopy) -> Tree:
    """Add to ``target`` the metric points behind its last, up to where their stream ends now."""
    state = await stream_state(client, POINTS_STREAM)
    after = (await target.checkpoint()).position
    if after > state.last:
        raise Refused("backup.other_log", f"the backup holds {after} messages of points, the stream {state.last}")
    stream = follow_stream(client, POINTS_STREAM, after=after, subject="met.>")
    async with aclosing(cast(AsyncGenerator[list[Message], None], stream)) as batches:
        while after < state.last:
            try:
                async with asyncio.timeout(SILENCE_MAX_SECONDS):
                    batch = await anext(batches)
            except TimeoutError:
                raise LogUnavailable(f"the stream of points sends nothing behind position {after}") from None
            entries = [Entry(one.position, one.subject, one.data) for one in batch if one.position <= state.last]
            await target.apply(entries)
            after = entries[-1].position
    return await tree_of(target)
