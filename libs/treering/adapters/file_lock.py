"""One process at a time: a lock on a file, which the kernel gives back when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from treering.kernel.refusal import Refused

POLL_SECONDS = 0.05


@asynccontextmanager
async def file_lock(path: Path, wait_seconds: float) -> AsyncIterator[None]:
    """Hold the lock on ``path``. ``Refused("lock.busy")`` when another holds it for longer than we wait.

    It is polled, because a thread that waits in flock cannot be cancelled.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with anyio.move_on_after(wait_seconds) as waiting:
            while not locked(descriptor):  # noqa: ASYNC110 - the kernel tells nobody when a lock is free
                await anyio.sleep(POLL_SECONDS)
        if waiting.cancelled_caught:
            raise Refused("lock.busy", f"another process has held {path.name} for {wait_seconds:g} seconds")
        yield
    finally:
        os.close(descriptor)


def locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
