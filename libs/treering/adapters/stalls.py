"""Notices that a server takes what is published and no longer acknowledges it, and says so to whoever can restart it.

So is a nats-server whose disk was full: it lives and answers questions, and its streams store nothing any more, also
when there is room again, until it is started anew.
"""

from __future__ import annotations

from contextlib import suppress

import nats.errors
from nats.aio.client import Client

from treering.kernel.clock import monotonic_seconds

STALL_SECONDS = 4.0  # between the first publish without an answer and a later one, with none answered in between
REPORTS = "stuck"


class Stalls:
    """Of the publishes of one client into one stream, whose subjects begin with ``sort``."""

    def __init__(self, client: Client, sort: str) -> None:
        self.client = client
        self.subject = f"{REPORTS}.{sort}"
        self.since: float | None = None

    def acknowledged(self) -> None:
        self.since = None

    async def unanswered(self, error: Exception) -> None:
        """One publish was not acknowledged. While there is no connection nothing is said: that is another matter."""
        if not isinstance(error, TimeoutError) or not self.client.is_connected:
            return
        at = monotonic_seconds()
        if self.since is None:
            self.since = at
        elif at - self.since >= STALL_SECONDS:
            with suppress(nats.errors.Error, OSError):
                await self.client.publish(self.subject)
