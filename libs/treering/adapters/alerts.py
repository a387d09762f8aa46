"""Raise and clear alerts of the installation (``installation.alert``) from any service.

    alerts = Alerts(Commands(client, "gateway", base.here))
    await alerts.raise_alert(RaiseAlert("blob.damaged", f"blob {digest} is not what was stored", "blobs", resource=...))

What is found is as true when the log cannot be written, so neither method raises then: False says "try again later".
"""

from __future__ import annotations

from collections.abc import Mapping, Set

import structlog

from treering.adapters.bus import Commands
from treering.domain.installation import DETAIL_CHARACTERS_MAX, ClearAlert, RaiseAlert, alert_address
from treering.kernel.aggregate import Command
from treering.kernel.clock import new_id, now
from treering.kernel.command import Context
from treering.kernel.log import LogUnavailable
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address

log = structlog.get_logger()


class Alerts:
    """Sends as the service of ``commands``."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    async def raise_alert(self, alert: RaiseAlert) -> bool:
        """True when the log says so now; raised already, nothing is written."""
        return await self.send(alert_address(alert), alert)

    async def clear_alert(self, address: Address, detail: str = "") -> bool:
        """True when the alert of ``alert_address`` is not raised now."""
        return await self.send(address, ClearAlert(detail[:DETAIL_CHARACTERS_MAX]))

    async def send(self, address: Address, command: Command) -> bool:
        context = Context(new_id(), now(), f"service:{self.commands.service}")
        try:
            await self.commands.send(address, command, context)
        except (LogUnavailable, Refused) as error:
            log.warning("alert.not_sent", alert=address.key, why=str(error))
            return False
        return True

    async def settle(self, wanted: Mapping[Address, RaiseAlert], raised: Set[Address], why: str) -> bool:
        """Raise what is wanted and not raised, clear what is raised and not wanted, for ``why``; False when the log did
        not take all of it."""
        sent = [await self.raise_alert(alert) for place, alert in wanted.items() if place not in raised]
        sent += [await self.clear_alert(place, why) for place in raised - wanted.keys()]
        return all(sent)
