"""Tells of damaged blobs as ``installation.alert``, and clears what was mended.

Whichever process reads a blob notes in a file that it is damaged (adapters/damaged_blobs.py); the gateway looks at
these notes, so what an executor or a command line found is told too.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from treering.adapters.damaged_blobs import noted
from treering.domain.installation import RaiseAlert, alert_address
from treering.kernel.blobs import damaged
from treering_services.gateway.watching import Watching

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway

CODE = "blob.damaged"
ALERTS_MAX = 20  # blobs that are told one by one; a disk that damages more is seen by these


class BlobAlerts(Watching):
    """``told`` are the digests that the log speaks of, None until that was looked up."""

    codes = (CODE,)

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self.told: set[str] | None = None

    async def look(self) -> None:
        found = set((await asyncio.to_thread(noted, self.gateway.home.blobs))[:ALERTS_MAX])
        if found == self.told or (raised := await self.raised()) is None:
            return
        wanted = {alert_address(alert): alert for alert in map(alert_of, sorted(found))}
        if await self.alerts.settle(wanted, raised, "it is whole again"):
            self.told = found


def alert_of(digest: str) -> RaiseAlert:
    return RaiseAlert(CODE, damaged(digest).detail, "blobs", resource=f"blob/{digest}")
