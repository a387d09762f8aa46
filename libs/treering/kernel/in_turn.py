"""What waits to be packed into messages: a message holds items of one place, of all callers there in turn.

So what one caller has waiting is not before what another sends, and one place not before another.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Queue(NamedTuple):
    """``place`` and ``caller``."""

    place: str
    caller: str


class InTurn(Generic[T]):
    """Items with their sizes, those of one caller at one place in the order in which they came."""

    def __init__(self) -> None:
        self.queues: dict[Queue, deque[tuple[T, int]]] = {}  # none empty; the first has waited longest for a turn
        self.waiting = 0

    def put(self, place: str, caller: str, item: T, size_bytes: int) -> None:
        self.queues.setdefault(Queue(place, caller), deque()).append((item, size_bytes))
        self.waiting += 1

    def next(self, bytes_max: int) -> tuple[str, list[T]]:
        """Take the items of the next message, and say of which place. One item is taken whatever its size. There must
        be some."""
        place = next(iter(self.queues)).place
        callers = deque(queue for queue in self.queues if queue.place == place)
        taken: list[T] = []
        left_bytes = bytes_max
        while callers:
            queue = callers.popleft()
            items = self.queues.pop(queue)
            if not taken or items[0][1] <= left_bytes:
                item, size_bytes = items.popleft()
                taken.append(item)
                left_bytes -= size_bytes
                callers.extend([queue] if items else [])
            if items:
                self.queues[queue] = items  # at the end
        self.waiting -= len(taken)
        return place, taken
