"""Who asks: whose share of what is scarce a query uses, and whether anybody still waits for its answer.

Between a request and the queries it leads to are handlers that need not know, so the asker is a context variable.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


class AskerGone(Exception):
    """Nobody waits for the answer any more: stop, and tell nobody."""


class Asker:
    """``caller`` "" is the service itself, which never leaves."""

    __slots__ = ("caller", "futures", "is_gone")

    def __init__(self, caller: str = "") -> None:
        self.caller = caller
        self.futures: set[asyncio.Future[object]] = set()
        self.is_gone = False

    def leave(self) -> None:
        """The client is gone: what it waits for ends."""
        self.is_gone = True
        for future in tuple(self.futures):
            future.cancel()

    async def wait(self, future: asyncio.Future[T]) -> T:
        """The future's result; cancels it and raises AskerGone when the asker leaves before."""
        if self.is_gone:
            future.cancel()
            raise AskerGone
        self.futures.add(future)  # type: ignore[arg-type]
        try:
            return await future
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.is_gone and not (task and task.cancelling()):
                raise AskerGone from None
            raise
        finally:
            self.futures.discard(future)


ITSELF = Asker()
asking: ContextVar[Asker] = ContextVar("asking", default=ITSELF)
