"""Lets a few in at a time, fairly by caller (turns.py): who waits too long or goes away is never let in."""

from __future__ import annotations

import asyncio

from treering.kernel.asking import Asker
from treering.kernel.refusal import Refused
from treering.kernel.turns import Turns


class Turnstile:
    """Each ``enter`` that returns needs a ``leave``."""

    def __init__(self, turns: Turns[asyncio.Future[None]]) -> None:
        self.turns = turns

    async def enter(self, asker: Asker, timeout_seconds: float | None = None) -> str:
        """Wait for a turn; whose it is, for ``leave``. ``Refused``: ``caller.busy``, or ``service.busy`` when it does
        not come in ``timeout_seconds``. Raises AskerGone."""
        caller = asker.caller
        if not self.turns.take(caller):
            await self.wait(asker, caller, timeout_seconds)
        return caller

    async def wait(self, asker: Asker, caller: str, timeout_seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self.turns.put(caller, turn)
        timer = None if timeout_seconds is None else loop.call_later(timeout_seconds, self.expire, turn)
        try:
            await asker.wait(turn)
        except TimeoutError:
            why = f"others were before it for {timeout_seconds:g} s, and it was not begun"
            raise Refused("service.busy", f"{why}; try again, or ask for less at a time") from None
        except BaseException:
            came = turn.done() and not turn.cancelled() and turn.exception() is None
            if came:  # in the moment in which we were cancelled
                self.leave(caller)
            raise
        finally:
            self.turns.remove(caller, turn)
            if timer is not None:
                timer.cancel()

    def expire(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            turn.set_exception(TimeoutError())

    def leave(self, caller: str) -> None:
        """A turn is over: let in who is next."""
        self.turns.done(caller)
        while (chosen := self.turns.next()) is not None:
            caller, turn = chosen
            if turn.done():  # it gave up in this turn of the loop
                self.turns.done(caller)
            else:
                turn.set_result(None)
