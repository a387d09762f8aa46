"""Time and chance: the only place that reads either."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime

POOL_BYTES = 4096


class Chance:
    """Random bytes of the kernel, fetched many at a time: a call of it costs more than all else about an id.

    A child of a fork fetches its own; no two ever have the same.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.forget()
        os.register_at_fork(after_in_child=self.begin_again)

    def forget(self) -> None:
        self.pool = b""
        self.at = 0

    def begin_again(self) -> None:
        self.lock = threading.Lock()
        self.forget()

    def hex(self, count: int) -> str:
        """``count`` bytes that were given to nobody else."""
        with self.lock:
            end = self.at + count
            if end > len(self.pool):
                self.pool, end = os.urandom(POOL_BYTES), count
            taken, self.at = self.pool[end - count : end], end
        return taken.hex()


chance = Chance()


def now() -> datetime:
    return datetime.now(UTC)


def monotonic_seconds() -> float:
    return time.monotonic()


def new_id() -> str:
    """128 random bits in hex."""
    return chance.hex(16)


def new_traceparent() -> str:
    """A W3C traceparent that starts a trace (https://www.w3.org/TR/trace-context/), not sampled."""
    return f"00-{chance.hex(16)}-{chance.hex(8)}-00"
