"""A task is ended for certain, and nothing that waits for its end waits without a bound."""

from __future__ import annotations

import asyncio

import pytest

from treering.kernel import ending
from treering.kernel.ending import beside, end, keep_cancellation, run_each, run_together

pytestmark = pytest.mark.anyio


async def lose_cancellations(number: int) -> None:
    """What a library does that catches CancelledError: it goes on, ``number`` times."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            number -= 1
            if number < 0:
                raise


async def test_a_task_that_lost_its_cancellation_is_cancelled_again() -> None:
    task = asyncio.create_task(lose_cancellations(1))
    await asyncio.sleep(0)
    assert await end(task, grace_seconds=0.01)
    assert task.cancelled()


async def test_a_task_that_never_ends_is_reported_and_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "AGAIN_SECONDS", 0.01)
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["future"]))
    task = asyncio.create_task(lose_cancellations(ending.TRIES_MAX))
    await asyncio.sleep(0)
    assert not await end(task, grace_seconds=0.01)
    assert reported == [task]
    task.cancel()


async def test_a_task_may_clean_up_before_it_is_cancelled_again() -> None:
    cleaned = asyncio.Event()

    async def clean_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    task = asyncio.create_task(clean_up())
    await asyncio.sleep(0)
    assert await end(task)
    assert cleaned.is_set()


async def test_the_failure_of_a_part_ends_the_others_also_one_that_loses_its_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ending, "GRACE_SECONDS", 0.01)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("the cause")

    with pytest.raises(ValueError, match="the cause"):
        await run_together(lose_cancellations(1), fail())


async def test_a_part_that_ends_leaves_the_others_running() -> None:
    done = asyncio.Event()

    async def set_done() -> None:
        await asyncio.sleep(0)
        done.set()

    await run_together(asyncio.sleep(0), set_done())
    assert done.is_set()


async def test_no_parts_have_ended_at_once() -> None:
    await run_together()


async def test_work_beside_a_block_has_ended_when_the_block_has_also_when_it_failed() -> None:
    with pytest.raises(ValueError, match="of the block"):
        async with beside(asyncio.Event().wait()) as work:
            raise ValueError("of the block")
    assert work.cancelled()


async def test_a_cancellation_that_a_library_catches_is_raised_after_all() -> None:
    async def catch_it() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "went on"
        return ""

    task = asyncio.create_task(keep_cancellation(catch_it()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_parts_give_comes_in_their_order() -> None:
    async def part(number: int) -> int:
        for _ in range(3 - number):
            await asyncio.sleep(0)
        return number

    assert await run_together(*map(part, range(3))) == await run_each(*map(part, range(3))) == [0, 1, 2]


async def test_parts_that_are_better_not_interrupted_end_by_themselves_before_a_failure_is_raised() -> None:
    ended = []

    async def fail() -> None:
        raise ValueError("it failed")

    async def go_on() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ended.append("by itself")

    with pytest.raises(ValueError, match="it failed"):
        await run_each(fail(), go_on())
    assert ended == ["by itself"]


async def test_parts_that_are_better_not_interrupted_end_with_who_waits_for_them() -> None:
    ended = asyncio.Event()

    async def part() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(run_each(part()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await end(task)
    assert ended.is_set()
