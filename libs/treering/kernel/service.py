"""The life of a service: start, started, stop. Each may be said twice; a part that fails ends the whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from treering.kernel.clock import monotonic_seconds
from treering.kernel.ending import end, run_together
from treering.kernel.refusal import os_words

T = TypeVar("T")
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 6.0
STOP_SECONDS_MIN = 0.1


class ServiceFailed(Exception):
    """A service ended by itself; the message is the one clear line about it."""


class Service:
    """``run(started)`` opens what it needs, calls ``started()``, works until cancelled, and cleans up."""

    def __init__(self, name: str, run: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        self.name = name
        self.run = run
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def start(self, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Return when the service is ready; raises ServiceFailed when it ends or hangs before."""
        if self.task is None:
            self.task = asyncio.create_task(self.run_named(), name=self.name)
            self.task.add_done_callback(lambda _: self.ended.set())
        waiter = asyncio.create_task(self.started.wait())
        try:
            await asyncio.wait({self.task, waiter}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(waiter)
        if self.task.done():
            await self.task
        if not self.started.is_set():
            await self.stop()
            raise ServiceFailed(f"{self.name} was not ready after {timeout_seconds:g} s")

    async def run_named(self) -> None:
        try:
            await self.run(self.started.set)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            raise ServiceFailed(f"{self.name} stopped: {first_cause(error)}") from error
        raise ServiceFailed(f"{self.name} ended by itself")

    async def failed(self) -> None:
        """Wait until the service, started or not yet, ends; raises ServiceFailed unless it was stopped."""
        await self.ended.wait()
        if self.task is not None and not self.task.cancelled():
            self.task.result()

    async def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """End the service; it has ``timeout_seconds`` to clean up."""
        if self.task is not None:
            await end(self.task, grace_seconds=timeout_seconds)


def first_cause(error: BaseException | None) -> str:
    """The sentence a person needs of an exception, however many groups wrap it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError):
        return os_words(error)
    return str(error) or (type(error).__name__ if error else "")


async def run_until_failure(
    services: list[Service],
    stopped: asyncio.Event,
    all_started: Callable[[], None] = lambda: None,
    *,
    ordered: bool = True,
    stop_seconds_max: float = STOP_TIMEOUT_SECONDS,
) -> None:
    """Start the services (one after the other, or together), say so, then wait for ``stopped`` or the first failure,
    which is raised; stop them in reverse order, within ``stop_seconds_max``. Both count during the start too: a service
    that waits for one that has failed meanwhile would never be ready."""
    starting = asyncio.create_task(start_all(services, ordered=ordered))
    ending = asyncio.create_task(first_of(stopped, services))
    try:
        await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            await starting
            all_started()
        await ending
    finally:
        await end(starting, ending)
        await stop_all(services, stop_seconds_max)


async def stop_all(services: list[Service], seconds_max: float) -> None:
    """Stop them in reverse order, one after the other, all within ``seconds_max``."""
    over_at_seconds = monotonic_seconds() + seconds_max
    for service in reversed(services):
        await service.stop(max(STOP_SECONDS_MIN, over_at_seconds - monotonic_seconds()))


async def start_all(services: list[Service], *, ordered: bool) -> None:
    if ordered:
        for service in services:
            await service.start()
    else:
        await run_together(*(service.start() for service in services))


async def unless_stopped(stopped: asyncio.Event, work: Awaitable[T]) -> T | None:
    """What ``work`` gives; None when ``stopped`` came first, and then it has cleaned up."""
    working, stopping = asyncio.ensure_future(work), asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        await end(working, stopping)


async def first_of(stopped: asyncio.Event, services: list[Service]) -> None:
    watchers = [asyncio.create_task(service.failed()) for service in services]
    stopping = asyncio.create_task(stopped.wait())
    try:
        done, _ = await asyncio.wait({*watchers, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        await end(*watchers, stopping)
