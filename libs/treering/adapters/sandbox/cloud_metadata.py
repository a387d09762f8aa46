"""Where clouds tell a virtual machine who it is, with credentials for whoever asks: closed to jobs unless asked for."""

from __future__ import annotations

from collections.abc import Mapping

from treering.kernel.refusal import Refused

VARIABLE = "TREERING_CLOUD_METADATA"
CLOSED, OPEN = "closed", "open"
# AWS, Azure, Google and others; tasks and pods of AWS; Azure's agent; Alibaba; AWS, its pods and Google by IPv6.
ADDRESSES = (
    "169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200",
    "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
)  # fmt: skip


def closed_addresses(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What is closed to jobs as the operator wants it. ``Refused`` ``sandbox.metadata``."""
    asked = environment.get(VARIABLE) or CLOSED
    if asked not in (CLOSED, OPEN):
        raise Refused("sandbox.metadata", f"{VARIABLE} is {asked[:40]!r}; it is {CLOSED} or {OPEN}")
    return ADDRESSES if asked == CLOSED else ()
