"""Takes a step of an attempt again for which the disk had no room: a full disk is no fault of the job.

    the step -> "disk full" -> wait until there is room -> the step again, up to TRIES_MAX times -> disk.full

What finds no room in each of its tries, although there was some before, needs more than the disk of its node has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from treering.adapters.free_space import require_room
from treering.kernel.disk import refusal_of
from treering.kernel.refusal import Refused

TRIES_MAX = 3
LOOK_SECONDS = 1.0
WAIT_SECONDS_MAX = 600.0
WAITING = "the disk of the node is full; this step is taken again when there is room"


async def until_room(take: Callable[[], Awaitable[None]], folder: Path, say: Callable[[str], None]) -> None:
    """Take a step that may be taken again; ``folder`` is on the disk where it writes most.

    Raises what the step raises; ``Refused("disk.full")`` after TRIES_MAX tries or WAIT_SECONDS_MAX without room.
    """
    for tries in range(1, TRIES_MAX + 1):
        try:
            await take()
            return
        except Exception as error:
            if not is_full(error) or tries == TRIES_MAX:
                raise
            say(WAITING)
            await wait_for_room(folder, error)


def is_full(error: Exception) -> bool:
    """Whether the disk had no room, said by our own checks, by the system, or by a program that wrote for us."""
    refused = error if isinstance(error, Refused) else refusal_of(error)
    return refused is not None and refused.code == "disk.full"


async def wait_for_room(folder: Path, error: Exception) -> None:
    """Until clients may write again; raises ``error`` when that takes too long."""
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                if await asyncio.to_thread(has_room, folder):
                    return
    except TimeoutError:
        raise error from None


def has_room(folder: Path) -> bool:
    try:
        require_room(folder)
    except Refused:
        return False
    return True
