"""Tells as ``installation.alert`` of broken secret files, and of a disk without room, with how long it was so.

What cannot be written while the disk is full is told when there is room again: raised and cleared, with the span.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from treering.adapters.free_space import require_last_room, require_room
from treering.domain.installation import RaiseAlert, alert_address
from treering.kernel.clock import now
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering_services.gateway.readiness import said_openly
from treering_services.gateway.watching import Watching

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway

DAMAGED, FULL = "home.damaged", "disk.full"
ALERTS_MAX = 20


class HomeAlerts(Watching):
    """``told``: what the log speaks of, None until that was looked up; ``over``: full from when to when, to be told."""

    codes = (DAMAGED, FULL)

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self.told: set[Address] | None = None
        self.full_since: datetime | None = None
        self.over: tuple[datetime, datetime] | None = None

    async def look(self) -> None:
        self.look_at_disk()
        wanted = {alert_address(alert): alert for alert in self.wanted()}
        if (self.over is None and wanted.keys() == self.told) or not self.has_room():
            return
        if (raised := await self.raised()) is None:
            return
        sent = [await self.tell_span(*self.over)] if self.over else []
        others = raised if DISK_PLACE in wanted else raised - {DISK_PLACE}  # the disk's is cleared with its span
        sent.append(await self.alerts.settle(wanted, others, "it is well again"))
        if DISK_PLACE in raised and self.full_since is None and self.over is None:  # of a gateway that ended meanwhile
            sent.append(await self.alerts.clear_alert(DISK_PLACE, "there is room again"))
        if all(sent):
            self.told, self.over = set(wanted), None

    def look_at_disk(self) -> None:
        try:
            require_room(*self.gateway.home.stores)
        except Refused:
            self.full_since = self.full_since or now()
            return
        if self.full_since is not None:
            began = self.over[0] if self.over else self.full_since
            self.over, self.full_since = (began, now()), None

    def has_room(self) -> bool:
        try:
            require_last_room(*self.gateway.home.stores)
        except Refused:
            return False
        return True

    def wanted(self) -> list[RaiseAlert]:
        names = sorted({said_openly(self.gateway.home, one) for one in self.gateway.secrets.look()})
        found = [damaged(name) for name in names[:ALERTS_MAX]]
        if self.full_since is not None:
            found.append(full(f"clients cannot write since {self.full_since:%Y-%m-%d %H:%M:%S} UTC"))
        return found

    async def tell_span(self, began: datetime, ended: datetime) -> bool:
        """Also where the log took nothing meanwhile: it is raised, unless it is, and cleared."""
        seconds = (ended - began).total_seconds()
        span = f"from {began:%Y-%m-%d %H:%M:%S} to {ended:%H:%M:%S} UTC ({seconds:.0f} s)"
        raised = await self.alerts.raise_alert(full(f"clients could not write {span}"))
        said = f"there is room again; clients could not write {span}"
        return raised and await self.alerts.clear_alert(DISK_PLACE, said)


def damaged(name: str) -> RaiseAlert:
    detail = f"{name} is not what was written; `treering doctor` says what to do"
    return RaiseAlert(DAMAGED, detail, "keys", resource=f"file/{name}")


def full(said: str) -> RaiseAlert:
    return RaiseAlert(FULL, f"the disk is full: {said}; free some room, and it goes on by itself", "disk")


DISK_PLACE = alert_address(full(""))
