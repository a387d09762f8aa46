"""How much of what one caller sends is read in one turn of the loop, so that others are served between two.

All of a process runs on one loop. To read 900 KB of JSON, check it and make a commit of it takes some 20 ms, and 15 KB
of metric points some 2: thirty of the ones, or five hundred of the others, in one turn would keep everybody waiting
for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from treering.kernel.asking import Asker
from treering.kernel.clock import monotonic_seconds
from treering.kernel.turns import Turns
from treering.kernel.turnstile import Turnstile
from treering_services.gateway.http.limits import Limits

LARGE_BYTES = 16 * 1024  # and of the small bodies of one caller, so much together in one turn of the loop
AT_ONCE_MAX = 2  # of different callers
COMING_EACH_MAX = 8  # large ones of one caller that are read from their connections; more wait unread
PAUSE_SECONDS_MAX = 0.2


def is_large(header: Mapping[bytes, bytes]) -> bool:
    """Whether a body is large, by what its header says of it; one in chunks may be."""
    announced = header.get(b"content-length", b"0")
    return b"transfer-encoding" in header or not announced.isdigit() or int(announced) > LARGE_BYTES


class Bodies:
    """One per gateway."""

    def __init__(self, limits: Limits) -> None:
        waiting = (limits.requests_each, limits.connections)
        self.coming = Turnstile(Turns(limits.uploads, "large requests", *waiting, each_max=COMING_EACH_MAX))
        self.large = Turnstile(Turns(AT_ONCE_MAX, "large requests"))
        self.small = Turnstile(Turns(AT_ONCE_MAX, "requests", *waiting))
        self.read_bytes: dict[str, int] = {}  # of small ones in this turn of the loop, by caller

    @asynccontextmanager
    async def coming_in(self, asker: Asker) -> AsyncIterator[None]:
        """Around the reading of a large body: it is not read before a few of its caller's have been."""
        caller = await self.coming.enter(asker)
        try:
            yield
        finally:
            self.coming.leave(caller)

    async def turn(self, asker: Asker, size_bytes: int) -> None:
        """Returns when the caller may go on with a body of this size. ``Refused``: ``caller.busy``, ``service.busy``
        when too many wait. Raises AskerGone."""
        if size_bytes <= LARGE_BYTES and self.fits(asker.caller, size_bytes):
            return
        turnstile = self.large if size_bytes > LARGE_BYTES else self.small
        caller = await turnstile.enter(asker)
        asyncio.get_running_loop().call_soon(self.pause, turnstile, caller, monotonic_seconds())

    def fits(self, caller: str, size_bytes: int) -> bool:
        if not self.read_bytes:
            asyncio.get_running_loop().call_soon(self.read_bytes.clear)
        read = self.read_bytes[caller] = self.read_bytes.get(caller, 0) + size_bytes
        return read <= LARGE_BYTES

    def pause(self, turnstile: Turnstile, caller: str, began: float) -> None:
        """The loop is back: others have it for as long as the caller has had it."""
        took_seconds = min(monotonic_seconds() - began, PAUSE_SECONDS_MAX)
        asyncio.get_running_loop().call_later(took_seconds, turnstile.leave, caller)
