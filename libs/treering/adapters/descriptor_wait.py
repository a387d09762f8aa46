"""Wait for a descriptor, rather than give up, where something must be started again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from treering.adapters.descriptors import out_of_descriptors, spare_descriptor

T = TypeVar("T")
AGAIN_SECONDS = 0.5
log = structlog.get_logger()


async def when_descriptors(what: str, work: Callable[[], Awaitable[T]]) -> T:
    """What ``work`` gives. It is called again as long as it fails while the process can open no file: clients take
    descriptors and give them back, and a service that ended meanwhile would not come back. ``work`` cleans up."""
    told = False
    while True:
        try:
            return await work()
        except Exception as error:
            if spare_descriptor() and not out_of_descriptors(error):
                raise
            if not told:
                log.error("descriptors.none_left", waits=what, why=str(error))
            told = True
        await asyncio.sleep(AGAIN_SECONDS)
