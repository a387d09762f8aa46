"""Write the stream of metric points again from its second copy, each message at the position it had."""

from __future__ import annotations

from functools import partial

from nats.aio.client import Client

from treering.adapters.appender import REQUEST_FAILED, acks
from treering.adapters.log_copy import CopyRow, rows_between
from treering.adapters.points_copy import POINTS_STREAM, PointsCopy
from treering.adapters.streams import stream_state
from treering.kernel.ending import run_together
from treering.kernel.log import LogDamaged, LogUnavailable
from treering.kernel.refusal import Refused

WAITING_MAX = 32  # messages of up to 1 MiB on their way
PUBLISH_TIMEOUT_SECONDS = 30.0


async def publish_points(client: Client, copy: PointsCopy) -> None:
    """In order, many under way at a time; each must get the position it had."""
    positions = copy.tree.size
    if (await stream_state(client, POINTS_STREAM)).last:
        raise Refused("backup.home_used", "the home has metric points already: choose an empty home")
    for first in range(1, positions + 1, WAITING_MAX):
        last = min(first + WAITING_MAX - 1, positions)
        rows = await copy.read(partial(rows_between, first=first, last=last))
        stored = await run_together(*(publish_point(client, row) for row in rows))
        if stored != [row.position for row in rows]:
            raise LogDamaged(
                f"metric points {first} to {last} were not stored in order: remove the home, restore again"
            )


async def publish_point(client: Client, row: CopyRow) -> int:
    try:
        reply = await client.request(row.subject, row.body, timeout=PUBLISH_TIMEOUT_SECONDS)
    except REQUEST_FAILED as error:
        raise LogUnavailable(
            f"metric points {row.position} were not stored: {error or type(error).__name__}"
        ) from error
    return acks.decode(reply.data).seq
