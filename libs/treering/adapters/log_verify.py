"""Verify the log and the metric points against their second copies, and both with what was signed and sealed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from nats.aio.client import Client

from treering.adapters.both_damaged import copy_too
from treering.adapters.log_check import check_copy_length, check_shape, check_signed, clear_alarm
from treering.adapters.log_copy import BadPosition, CopyDamaged, LogCopy, frontier_at, head_row
from treering.adapters.log_files import said_where, scrub_files
from treering.adapters.log_recopy import hash_on, hashed_alone
from treering.adapters.log_scrub import check_file, scrub
from treering.adapters.names import proven_names
from treering.adapters.points_copy import PointsCopy, check_sealed
from treering.adapters.streams import require_streams, stream_state
from treering.adapters.witnesses import all_seen
from treering.config import Home
from treering.kernel.log import LogDamaged
from treering.kernel.merkle import Frontier
from treering.views.queries import VerifyAnswer


async def verify(
    client: Client, copy: LogCopy, home: Home, points: PointsCopy, *, follows: bool = False
) -> VerifyAnswer:
    """What ``examined`` says; when all is well, an alarm of an earlier comparison is over."""
    answer = await examined(client, copy, home, points, follows=follows)
    if answer.ok:
        clear_alarm(copy.path.parent)
    return answer


async def examined(
    client: Client, copy: LogCopy, home: Home, points: PointsCopy, *, follows: bool = False
) -> VerifyAnswer:
    """Read and hash the whole log, compare it with the copy and both with what was signed, then the metric points
    with their copy and with what the log says of them; the answer says what is bad. A copy that ``follows`` the log
    while this looks may be behind it.
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
        await scrub_files(home, copy)
        await check_signed(client, home, copy)
        tree = await check_beyond(client, home, copy, moved, follows=follows)
        looked_at = points
        of_points = await scrub(client, points)
        check_shape(await stream_state(client, points.source.stream), points.source.said)
        await asyncio.to_thread(check_file, points.path)
        await scrub_files(home, points)
        if points.tree.size:
            await check_sealed(points, copy)
    except CopyDamaged as bad:
        positions, said = await hashed_alone(client, home)
        return VerifyAnswer(False, positions, bad.position, f"{bad}. {said}", 0.0, "", f"{looked_at.path.name}")
    except BadPosition as bad:
        where = said_where(looked_at.path, looked_at.source.stream, bad.position)
        why = ". ".join(filter(None, (f"{bad}{where}", await copy_too(looked_at))))
        return VerifyAnswer(False, reached, bad.position, why, 0.0, "", looked_at.source.stream)
    except LogDamaged as damage:
        return VerifyAnswer(False, reached, 0, str(damage), 0.0, "", looked_at.source.stream)
    beside = (await asyncio.to_thread(proven_names, home)).wrong
    speed, root = done.commits_per_second, tree.root().hex()
    return VerifyAnswer(True, tree.size, 0, "", speed, root, "", of_points.positions, beside)


async def check_beyond(
    client: Client, home: Home, copy: LogCopy, moved: Callable[[int], None], *, follows: bool
) -> Frontier:
    """Hash what the log has behind the end of its copy, and compare it with what was signed; the tree over all of it.

    CopyDamaged when the copy is without commits that were signed: what is signed was in it.
    """
    head = await copy.read(head_row)
    tree = await copy.read(partial(frontier_at, size=head.position if head else 0))
    if not (follows and tree.size == copy.tree.size):  # else it is being made anew, by a monitor that goes on
        await check_copy_length(home, copy)
    seen = (await asyncio.to_thread(all_seen, home))[0]
    await hash_on(client, tree, (await stream_state(client, "EVT")).last, seen, moved)
    return tree
