"""Whose turn it is: a few slots, many callers, each with a queue of its own.

The caller with the fewest under way goes first, among equals the one whose last turn is longest ago. Nobody holds more
than half of the slots (or ``each_max``), and the rest is for callers that hold none: however much one asks, another
finds a slot.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Generic, TypeVar

from treering.kernel.refusal import Refused

T = TypeVar("T")
WAITING_EACH_MAX = 64
WAITING_MAX = 1024


class Turns(Generic[T]):
    """Each turn, taken at once or by ``next``, needs a ``done``. ``what`` is what waits, in the plural."""

    def __init__(
        self,
        slots: int,
        what: str,
        waiting_each_max: int = WAITING_EACH_MAX,
        waiting_max: int = WAITING_MAX,
        *,
        each_max: int | None = None,
    ) -> None:
        self.free = slots
        self.each_max = each_max or max(slots // 2, 1)
        self.what = what
        self.waiting_each_max = waiting_each_max
        self.waiting_max = waiting_max
        self.waiting = 0
        self.queues: dict[str, deque[T]] = {}  # none empty; the first has waited longest for a turn
        self.under_way: Counter[str] = Counter()

    def may_begin(self, caller: str) -> bool:
        held = self.under_way.get(caller, 0)
        return self.free > 0 if not held else held < self.each_max < self.free

    def take(self, caller: str) -> bool:
        """A turn at once; False when the caller has to wait."""
        if not self.may_begin(caller):
            return False
        self.free -= 1
        self.under_way[caller] += 1
        return True

    def put(self, caller: str, item: T) -> None:
        """Let ``item`` wait; ``Refused``: ``caller.busy`` when too many of the caller do, ``service.busy`` of all."""
        queue = self.queues.get(caller, ())
        if len(queue) >= self.waiting_each_max:
            most = f"{self.waiting_each_max} {self.what} of this caller are waiting already, the most for one"
            raise Refused("caller.busy", f"{most}; wait for an answer before you ask again")
        if self.waiting >= self.waiting_max:
            most = f"{self.waiting_max} {self.what} are waiting already, the most for all callers"
            raise Refused("service.busy", f"{most}; try again")
        self.queues.setdefault(caller, deque()).append(item)
        self.waiting += 1

    def next(self) -> tuple[str, T] | None:
        """Take a turn for what has waited and may begin now; None when there is nothing of the kind."""
        ready = [caller for caller in self.queues if self.may_begin(caller)] if self.free else []
        if not ready:
            return None
        caller = min(ready, key=self.under_way.__getitem__)  # the first of several
        item = self.queues[caller][0]
        self.remove(caller, item)
        if caller in self.queues:
            self.queues[caller] = self.queues.pop(caller)  # to the end
        self.take(caller)
        return caller, item

    def remove(self, caller: str, item: T) -> bool:
        """It does not wait any more; False when it did not."""
        queue = self.queues.get(caller)
        if queue is None or item not in queue:
            return False
        queue.remove(item)
        self.waiting -= 1
        if not queue:
            del self.queues[caller]
        return True

    def done(self, caller: str) -> None:
        self.free += 1
        self.under_way[caller] -= 1
        if not self.under_way[caller]:
            del self.under_way[caller]
