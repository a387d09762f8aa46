"""Keeps nats-py from losing cancellations. This reaches into private parts: tests/adapters/test_nats_cancel.py
fails when they change.

nats-py waits with ``asyncio.wait_for`` in every request, flush and connect. Before Python 3.12 that function returns
its result, and forgets that it was cancelled, when the answer arrives in the same turn of the loop. Seen under load: a
watchdog that was stopped in that moment went on, and whoever waited for its end waited for ever. So nats-py's modules
get the ``wait_for`` that Python has from 3.12 on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from types import ModuleType
from typing import TypeVar

from nats.aio import client, subscription, transport

T = TypeVar("T")
MODULES: tuple[ModuleType, ...] = (client, subscription, transport)


async def wait_for(work: Awaitable[T], timeout: float | None) -> T:
    """As in Python 3.12: a cancellation always comes through. Raises TimeoutError after ``timeout`` seconds."""
    if timeout is None:
        return await work
    if isinstance(work, asyncio.Future) and not isinstance(work, asyncio.Task):  # the answer to a request
        answer: asyncio.Future[T] = work
        timer = asyncio.get_running_loop().call_later(timeout, expire, answer)
        try:
            return await answer
        finally:
            timer.cancel()
    async with asyncio.timeout(timeout):
        return await work


def expire(answer: asyncio.Future[T]) -> None:
    """It did not come in time; whoever would bring it later finds that it is done."""
    if not answer.done():
        answer.set_exception(TimeoutError())


def mend() -> None:
    """Give nats-py the ``wait_for`` above; does nothing where Python's own is right."""
    if sys.version_info >= (3, 12):
        return
    mended = ModuleType("asyncio")
    vars(mended).update(vars(asyncio), wait_for=wait_for)
    for module in MODULES:
        setattr(module, "asyncio", mended)  # noqa: B010
