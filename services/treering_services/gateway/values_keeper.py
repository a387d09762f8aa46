"""Removes the secret variables of a job when it has ended and so is not tried again, and those that nobody needs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from treering.adapters.sealed_values import SealedValues
from treering.domain.environment import ENVIRONMENT
from treering.domain.job import JOB, TERMINAL
from treering.domain.sealed import Sealed
from treering.domain.webhook import WEBHOOK
from treering.kernel.ending import end
from treering.kernel.log import Entry
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, address_or_none
from treering.views.states import Resource, show
from treering_services.gateway.core import Gateway

ENDED = (b'"job.completed"', b'"job.failed"', b'"job.canceled"')
SWEEP_SECONDS = 3600.0
SEALING_SECONDS_MAX = 3600.0  # from when values are sealed until the log has what they are of
log = structlog.get_logger()


class ValuesKeeper:
    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.values = SealedValues(gateway.home)

    async def run(self) -> None:
        """Follow the log from here on, and look through all that is kept now and every hour, until cancelled."""
        sweeping = asyncio.create_task(self.sweep_hourly())
        try:
            async for batch in self.gateway.reader.feed.follow(after=self.gateway.reader.projector.position):
                await self.forget_ended(batch)
        finally:
            await end(sweeping)

    async def forget_ended(self, batch: Sequence[Entry]) -> None:
        for entry in batch:
            address = address_or_none(entry.subject)
            if address is None or address.kind != JOB.kind or not any(word in entry.body for word in ENDED):
                continue
            with suppress(Refused):  # the view is behind or incomplete: the next sweep finds it
                await self.gateway.reader.projector.reached(entry.position)
                found = await self.find(address)
                if found is not None and found.status in TERMINAL:
                    await asyncio.to_thread(self.values.remove, sealed_of(found))

    async def sweep_hourly(self) -> None:
        while True:
            try:
                await self.sweep()
            except (OSError, Refused) as error:
                log.warning("values.not_swept", why=str(error))
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> None:
        for path in await asyncio.to_thread(self.values.files):
            if not await self.is_needed(path):
                log.info("values.removed", file=path.name)
                await asyncio.to_thread(self.values.remove, Sealed(path.stem, {}))

    async def is_needed(self, path: Path) -> bool:
        """Also when that cannot be told: what cannot be opened is for `doctor` to report."""
        try:
            content = await asyncio.to_thread(self.values.content, path.stem)
            age_seconds = time.time() - (await asyncio.to_thread(path.stat)).st_mtime
            found = await self.find(address_or_none(content.of)) if content else None
        except (OSError, Refused):
            return True
        sealed = sealed_of(found) if found else None
        if found is None or sealed is None or sealed.reference != path.stem:
            return age_seconds < SEALING_SECONDS_MAX
        return found.kind != JOB.kind or found.status not in TERMINAL

    async def find(self, address: Address | None) -> Resource | None:
        return None if address is None else await self.gateway.reader.view.peek(lambda db: show(db, address))


def sealed_of(found: Resource) -> Sealed | None:
    if found.kind == WEBHOOK.kind:
        return WEBHOOK.states.decode(found.state).sealed
    if found.kind == ENVIRONMENT.kind:
        return ENVIRONMENT.states.decode(found.state).spec.sealed
    spec = JOB.states.decode(found.state).spec
    return None if spec is None else spec.sealed
