"""What a long-running part does while the disk takes nothing: it says so, waits, and tries the same write again.

A full disk is a state of the machine and no damage: nothing that was acknowledged is lost by it, and no service ends
for it. Adapters raise ``CannotWrite`` for what may work later; everything else stays an error.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog

from treering.kernel.refusal import Refused

T = TypeVar("T")
RETRY_SECONDS = 1.0
# EROFS: a file system that had an error is often mounted again read-only, and later as it was.
PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
NO_DESCRIPTOR_LEFT = "the process has no file or socket left to open; try again"
REASONS: Mapping[int | None, tuple[str, str]] = {
    errno.ENOSPC: ("disk.full", "the disk is full; free some room, and it goes on by itself"),
    errno.EDQUOT: ("disk.full", "the quota of this user on the disk is used up; free some room, or raise it"),
    errno.EFBIG: (
        "disk.full",
        "a file would be larger than this process may write (ulimit -f) or the file system can hold; raise the limit, "
        "or send less",
    ),
    errno.EROFS: ("disk.read_only", "the disk is read-only; an error may have made it so: look at the kernel's log"),
    errno.EIO: ("disk.failed", "the disk failed to read or write (EIO); look at the kernel's log, and replace it"),
    errno.EMFILE: ("service.busy", NO_DESCRIPTOR_LEFT),
    errno.ENFILE: ("service.busy", NO_DESCRIPTOR_LEFT),
}
log = structlog.get_logger()


class CannotWrite(Exception):
    """The disk takes nothing now: it is full, over a quota or read-only. The same write may work later."""


def may_pass(error: BaseException) -> bool:
    """Whether ``error`` is about a disk that takes nothing now, rather than about what is on it."""
    return isinstance(error, CannotWrite) or (isinstance(error, OSError) and error.errno in PASSING)


def refusal_of(error: BaseException) -> Refused | None:
    """What the operating system said of a file, as a refusal for clients; None for what is no such error.

    Paths of this machine are left out. Every edge asks this: HTTP, MLflow's API, NATS and the executor.
    """
    if isinstance(error, CannotWrite):
        return Refused("disk.full", f"the disk takes nothing now ({error}); it goes on by itself when it does")
    number = error.errno if isinstance(error, OSError) else None
    return Refused(*REASONS[number]) if number in REASONS else None


async def until_written(write: Callable[[], Awaitable[T]], what: str) -> T:
    """What ``write`` gives, tried again every RETRY_SECONDS while the disk takes nothing; said once and when over."""
    waiting = False
    while True:
        try:
            done = await write()
        except (CannotWrite, OSError) as error:
            if not may_pass(error):
                raise
            if not waiting:
                log.error("disk.waiting", writing=what, why=str(error))
            waiting = True
            await asyncio.sleep(RETRY_SECONDS)
            continue
        if waiting:
            log.warning("disk.resumed", writing=what)
        return done
