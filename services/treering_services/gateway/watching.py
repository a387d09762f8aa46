"""What the gateway watches for operators: one loop for all that is looked at and told as ``installation.alert``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from treering.adapters.alerts import Alerts
from treering.adapters.bus import Commands
from treering.domain.installation import INSTALLATION, WORKSPACE
from treering.kernel.log import LogUnavailable
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.states import newest

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway

LOOK_SECONDS = 2.0
RAISED_MAX = 1000
log = structlog.get_logger()


class Watching:
    """``look`` brings the alerts of ``codes`` up to what is so; what cannot be written now is tried again at the next
    look."""

    codes: tuple[str, ...]

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.alerts = Alerts(Commands(gateway.client, "gateway", gateway.here))

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        raise NotImplementedError

    async def raised(self) -> set[Address] | None:
        """The alerts of ``codes`` that the log says are raised now; None when it cannot be asked."""
        try:
            await self.gateway.catch_up()
            return {place for code in self.codes for place in await self.raised_of(code)}
        except (LogUnavailable, Refused) as error:
            log.info("alerts.later", codes=self.codes, why=str(error))
            return None

    async def raised_of(self, code: str) -> set[Address]:
        rows = await self.gateway.reader.read(
            lambda db: newest(db, WORKSPACE, INSTALLATION.kind, status="raised", parent=code, limit=RAISED_MAX)
        )
        return {Address(WORKSPACE, INSTALLATION.kind, row.name) for row in rows}
