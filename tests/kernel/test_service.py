"""A service that fails, or a stop, ends a start that would wait for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from treering.kernel.service import Service, ServiceFailed, run_until_failure, unless_stopped

pytestmark = pytest.mark.anyio
WAIT_SECONDS_MAX = 20.0  # of a test that fails: a start alone waits 60


class Waiting:
    """A service that is never ready, and says when it was cleaned up."""

    def __init__(self) -> None:
        self.began, self.cleaned = asyncio.Event(), False

    async def run(self, started: Callable[[], None]) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cleaned = True


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_service_that_fails_after_it_was_ready_ends_the_start_of_the_others(ordered: bool) -> None:
    waiting = Waiting()

    async def fails(started: Callable[[], None]) -> None:
        started()
        await waiting.began.wait()
        raise ValueError("the copy is damaged")

    services = [Service("monitor", fails), Service("executor", waiting.run)]
    with pytest.raises(ServiceFailed, match="monitor stopped: the copy is damaged"):
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await run_until_failure(services, asyncio.Event(), ordered=ordered)
    assert waiting.cleaned


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_stop_during_the_start_ends_it(ordered: bool) -> None:
    waiting, stopped = Waiting(), asyncio.Event()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        services, ready = [Service("executor", waiting.run)], asyncio.Event()
        running = asyncio.create_task(run_until_failure(services, stopped, ready.set, ordered=ordered))
        await waiting.began.wait()
        stopped.set()
        await running
    assert waiting.cleaned and not ready.is_set()


async def test_what_is_stopped_before_it_gave_anything_has_cleaned_up() -> None:
    waiting, stopped = Waiting(), asyncio.Event()

    async def given() -> str:
        await waiting.run(lambda: None)
        return "given"

    async def stop() -> None:
        await waiting.began.wait()
        stopped.set()

    stopping = asyncio.create_task(stop())
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        assert await unless_stopped(stopped, given()) is None
        await stopping
    assert waiting.cleaned
