"""What one caller may hold open at a time, of what all may: streams, uploads, requests under way."""

from __future__ import annotations

from treering.kernel.refusal import Refused


class Share:
    """Counts who holds how many of ``what``. Each ``take`` needs a ``give_back``."""

    def __init__(self, what: str, total_max: int, each_max: int) -> None:
        self.what = what
        self.total_max = total_max
        self.each_max = each_max
        self.total = 0
        self.held: dict[str, int] = {}  # by caller, of those that hold some

    def check(self, caller: str) -> int:
        """How many the caller has. ``Refused``: ``caller.busy`` when it has its share, ``service.busy`` when all of it
        is taken."""
        held = self.held.get(caller, 0)
        if held >= self.each_max:
            raise Refused(
                "caller.busy",
                f"{self.each_max} {self.what} of this caller are open, the most for one; close some first",
            )
        if self.total >= self.total_max:
            raise Refused("service.busy", f"{self.total_max} {self.what} are open, the most for all callers; try again")
        return held

    def take(self, caller: str) -> None:
        self.held[caller] = self.check(caller) + 1
        self.total += 1

    def give_back(self, caller: str) -> None:
        self.total -= 1
        left = self.held.pop(caller) - 1
        if left:
            self.held[caller] = left
