"""Time and chance: the only place that reads either."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def monotonic_seconds() -> float:
    return time.monotonic()


def new_id() -> str:
    """128 random bits in hex."""
    return secrets.token_hex(16)


def new_traceparent() -> str:
    """A W3C traceparent that starts a trace (https://www.w3.org/TR/trace-context/), not sampled."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
