"""Log lines that somebody from outside can cause at will: one a minute about each, which says how often it was so."""

from __future__ import annotations

from treering.kernel.clock import monotonic_seconds

PAUSE_SECONDS = 60.0
KEYS_MAX = 1024


class Seldom:
    """Decides about each thing that could be told whether it is, by what it is about."""

    def __init__(self, pause_seconds: float = PAUSE_SECONDS, keys_max: int = KEYS_MAX) -> None:
        self.pause_seconds = pause_seconds
        self.keys_max = keys_max
        self.told: dict[str, tuple[float, int]] = {}  # when it was last told, and how often it happened since

    def times(self, about: str) -> int:
        """It happened again: how many times are to be told now; 0 when it was told lately."""
        now = monotonic_seconds()
        at, untold = self.told.pop(about, (now - self.pause_seconds, 0))
        if now - at < self.pause_seconds:
            self.told[about] = (at, untold + 1)
            return 0
        while len(self.told) >= self.keys_max:
            del self.told[next(iter(self.told))]
        self.told[about] = (now, 0)
        return untold + 1
