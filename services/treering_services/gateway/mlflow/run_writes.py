"""TEMP"""

from __future__ import annotations

from treering.kernel.subjects import Address
from treering_services.gateway.call import Call


async def ensure_run(call: Call, owner: Address) -> None:
    """TEMP"""
