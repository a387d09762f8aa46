"""The bodies of one caller are read a few at a time, and others go on between two."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from treering.kernel.asking import Asker
from treering.kernel.refusal import Refused
from treering.kernel.turns import WAITING_EACH_MAX
from treering_services.gateway.http.bodies import COMING_EACH_MAX, LARGE_BYTES, Bodies
from treering_services.gateway.http.limits import limits_for

LIMITS = limits_for(1000)
pytestmark = pytest.mark.anyio


class Line:
    """Requests that took their turn, in the order in which they had it, with the turn of the loop it was."""

    def __init__(self) -> None:
        self.bodies = Bodies(LIMITS)
        self.order: list[tuple[str, int]] = []
        self.loops = 0

    async def request(self, caller: str, size_bytes: int = LARGE_BYTES + 1) -> None:
        await self.bodies.turn(Asker(caller), size_bytes)
        self.order.append((caller, self.loops))

    async def requests(self, size_bytes: int, *, greedy: int) -> None:
        """So many of one caller, and one of another behind them."""
        counting = asyncio.create_task(self.count_loops())
        await asyncio.gather(
            *(self.request("greedy", size_bytes) for _ in range(greedy)), self.request("modest", size_bytes)
        )
        counting.cancel()

    async def count_loops(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.loops += 1


async def test_no_two_of_one_caller_are_read_in_the_same_turn_of_the_loop_and_another_need_not_wait_for_them() -> None:
    line = Line()
    await line.requests(LARGE_BYTES + 1, greedy=10)
    greedy = [loop for caller, loop in line.order if caller == "greedy"]
    assert len(set(greedy)) == 10
    assert ("modest", greedy[0]) in line.order


async def test_many_small_bodies_of_a_caller_are_read_a_few_in_each_turn_of_the_loop() -> None:
    line = Line()
    await line.requests(LARGE_BYTES // 4, greedy=100)
    greedy = Counter(loop for caller, loop in line.order if caller == "greedy")
    assert sum(greedy.values()) == 100
    assert max(greedy.values()) <= 5, "those that are no more than a large one together, and one that has its turn"
    assert ("modest", min(greedy)) in line.order


async def test_a_few_small_bodies_wait_for_nobody() -> None:
    line = Line()
    large = [asyncio.create_task(line.request("greedy")) for _ in range(10)]
    await asyncio.sleep(0)
    await line.request("greedy", LARGE_BYTES)
    assert len(line.order) == 2, "the first large one, and the small one at once"
    await asyncio.gather(*large)


async def test_what_waits_of_one_caller_is_bounded_and_who_hangs_up_makes_room() -> None:
    bodies, asker = Bodies(LIMITS), Asker("greedy")
    waiting = [asyncio.create_task(bodies.turn(asker, LARGE_BYTES + 1)) for _ in range(WAITING_EACH_MAX + 1)]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as refused:
        await bodies.turn(asker, LARGE_BYTES + 1)
    assert refused.value.code == "caller.busy"
    asker.leave()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert bodies.large.turns.waiting == 0
    await bodies.turn(Asker("greedy"), LARGE_BYTES + 1)


async def test_a_few_large_bodies_of_a_caller_are_read_from_their_connections_and_those_of_others_beside_them() -> None:
    bodies, end, begun = Bodies(LIMITS), asyncio.Event(), list[str]()

    async def upload(caller: str) -> None:
        async with bodies.coming_in(Asker(caller)):
            begun.append(caller)
            await end.wait()

    uploads = [asyncio.create_task(upload(who)) for who in ["greedy"] * 100 + ["modest"]]
    await asyncio.sleep(0)
    assert Counter(begun) == {"greedy": COMING_EACH_MAX, "modest": 1}
    end.set()
    await asyncio.gather(*uploads)
    assert Counter(begun) == {"greedy": 100, "modest": 1}
