"""End tasks for certain and in bounded time.

One ``task.cancel()`` is a request that code in between can lose: ``asyncio.wait_for`` before Python 3.12 drops it when
its future is done in the same turn of the loop, and libraries catch ``CancelledError``. The task then runs on, and
whoever waits for its end waits for ever. So here a cancellation is repeated, and no wait is without a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")
GRACE_SECONDS = 1.5  # for the clean-up, before the cancellation is repeated: closing a NATS client may take 1 s
AGAIN_SECONDS = 0.5
TRIES_MAX = 3


async def end(*tasks: asyncio.Future[Any], grace_seconds: float = GRACE_SECONDS) -> bool:
    """Cancel ``tasks`` and wait until each has ended; True when all have.

    Each has ``grace_seconds`` to clean up; then the cancellation is repeated every AGAIN_SECONDS, TRIES_MAX in all.
    A task that has still not ended is reported to the loop's exception handler and left behind. What the tasks raise
    is not raised here.
    """
    pending = {task for task in tasks if not task.done()}
    for seconds in (grace_seconds, *[AGAIN_SECONDS] * (TRIES_MAX - 1)):
        for task in pending:
            task.cancel()
        if pending:
            _, pending = await asyncio.wait(pending, timeout=seconds)
    for task in pending:
        context = {"message": f"a task was cancelled {TRIES_MAX} times and has not ended", "future": task}
        asyncio.get_running_loop().call_exception_handler(context)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # Retrieved, so that asyncio does not report it once more.
    return not pending


async def run_together(*parts: Awaitable[T]) -> list[T]:
    """What ``parts`` give, run side by side until all have ended; when one fails, end the others and raise its error.

    Like ``asyncio.TaskGroup``, which waits for ever for a part that has lost its cancellation. ``asyncio.gather`` would
    leave the others running, with nobody to hear what becomes of them.
    """
    tasks = [asyncio.ensure_future(part) for part in parts]
    if not tasks:
        return []
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        return [task.result() for task in tasks]
    finally:
        await end(*tasks)


async def run_each(*parts: Awaitable[T]) -> list[T]:
    """Like ``run_together``, for parts that are better not interrupted: when one fails, the others end by themselves
    before its error is raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    if not tasks:
        return []
    try:
        await asyncio.wait(tasks)
        return [task.result() for task in tasks]
    finally:
        await end(*tasks)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Run ``work`` while the block runs, and end it with the block. What it raises is not raised here."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        await end(task)


async def keep_cancellation(work: Awaitable[T]) -> T:
    """Await ``work`` of a library that catches ``CancelledError``; raises it when it was asked for meanwhile."""
    task = asyncio.current_task()
    assert task is not None
    asked_before = task.cancelling()
    try:
        return await work
    finally:
        if task.cancelling() > asked_before:
            raise asyncio.CancelledError
