"""The turnstile's edges: a turn that comes in the moment in which somebody gives up is not lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from treering.kernel.asking import Asker, AskerGone
from treering.kernel.refusal import Refused
from treering.kernel.turns import Turns
from treering.kernel.turnstile import Turnstile

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("first", ["turn", "end"])
@pytest.mark.parametrize("how", ["cancelled", "leaves", "expires"])
async def test_a_turn_given_to_somebody_who_goes_at_once_goes_to_the_next(how: str, first: str) -> None:
    stile, going, patient = Turnstile(Turns(1, "questions")), Asker("a"), Asker("b")
    assert await stile.enter(Asker("c")) == "c"
    leaving = asyncio.create_task(stile.enter(going, 1000.0))
    await asyncio.sleep(0)
    turn = stile.turns.queues["a"][0]
    waiting = asyncio.create_task(stile.enter(patient))
    await asyncio.sleep(0)

    def go() -> None:
        match how:
            case "cancelled":
                leaving.cancel()
            case "leaves":
                going.leave()
            case _:
                stile.expire(turn)

    if first == "end":
        go()
    stile.leave("c")
    if first == "turn":
        go()
    with suppress(AskerGone, asyncio.CancelledError, Refused):
        stile.leave(await leaving)
    async with asyncio.timeout(30):
        assert await waiting == "b"
    stile.leave("b")
    assert stile.turns.free == 1 and not stile.turns.queues and not stile.turns.under_way


async def test_who_is_gone_already_gets_no_turn_and_leaves_nothing_behind() -> None:
    stile, gone = Turnstile(Turns(1, "questions")), Asker("a")
    await stile.enter(Asker("c"))
    gone.leave()
    with pytest.raises(AskerGone):
        await stile.enter(gone)
    assert stile.turns.waiting == 0
