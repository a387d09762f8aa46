"""Verify the log and the metric points against their second copies, and both with what was signed and sealed."""

from __future__ import annotations

import asyncio

from nats.aio.client import Client

from treering.adapters.log_check import check_shape, check_signed, clear_alarm
from treering.adapters.log_copy import BadPosition, CopyDamaged, LogCopy
from treering.adapters.log_recopy import hashed_alone
from treering.adapters.log_scrub import check_file, scrub
from treering.adapters.names import proven_names
from treering.adapters.points_copy import PointsCopy, check_sealed
from treering.adapters.streams import require_streams, stream_state
from treering.config import Home
from treering.kernel.log import LogDamaged
from treering.views.queries import VerifyAnswer


async def verify(client: Client, copy: LogCopy, home: Home, points: PointsCopy) -> VerifyAnswer:
    """What ``examined`` says; when all is well, an alarm of an earlier comparison is over."""
    answer = await examined(client, copy, home, points)
    if answer.ok:
        clear_alarm(copy.path.parent)
    return answer


async def examined(client: Client, copy: LogCopy, home: Home, points: PointsCopy) -> VerifyAnswer:
    """Read and hash the whole log, compare it with the copy and both with what was signed, then the metric points
    with their copy and with what the log says of them; the answer says what is bad.
    """
    reached, looked_at = 0, copy

    def moved(position: int) -> None:
        nonlocal reached
        reached = position

    try:
        await require_streams(client, "EVT")
        done = await scrub(client, copy, moved=moved)
        check_shape(await stream_state(client, "EVT"))
        await asyncio.to_thread(check_file, copy.path)
        await check_signed(client, home, copy)
        looked_at = points
        of_points = await scrub(client, points)
        check_shape(await stream_state(client, points.source.stream), points.source.said)
        await asyncio.to_thread(check_file, points.path)
        if points.tree.size:
            await check_sealed(points, copy)
    except CopyDamaged as bad:
        positions, said = await hashed_alone(client, home)
        return VerifyAnswer(False, positions, bad.position, f"{bad}. {said}", 0.0, "", f"{looked_at.path.name}")
    except BadPosition as bad:
        return VerifyAnswer(False, reached, bad.position, str(bad), 0.0, "", looked_at.source.stream)
    except LogDamaged as damage:
        return VerifyAnswer(False, reached, 0, str(damage), 0.0, "", looked_at.source.stream)
    beside = (await asyncio.to_thread(proven_names, home)).wrong
    speed, root = done.commits_per_second, done.root.hex()
    return VerifyAnswer(True, done.positions, 0, "", speed, root, "", of_points.positions, beside)
