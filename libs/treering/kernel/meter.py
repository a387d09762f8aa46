"""Tells how far a piece of work is, and tells the work to stop: for whoever watches it, and for threads.

A thread cannot be cancelled. So what runs long in one says ``tick(n)`` whenever it has done a bit, which counts, and
ends it by ``Stopped`` when its meter has been stopped. The meter travels with the context, which threads inherit
(contextvars; anyio.to_thread and asyncio.to_thread copy it): else each function down to the innermost copy would
have to hand it on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from treering.kernel.clock import monotonic_seconds


class Stopped(Exception):
    """Nobody waits for this work any more."""


class Meter:
    """``source``: another meter that counts instead, of work that several wait for.

    ``done`` of ``total`` (0: not known) in ``unit``; ``detail`` is what more there is to say of it for people.
    ``moved_at_seconds`` is when it last grew, monotonic."""

    def __init__(self, total: int = 0, unit: str = "") -> None:
        self.done = 0
        self.total = total
        self.unit = unit
        self.detail = ""
        self.moved_at_seconds = monotonic_seconds()
        self.stopped = False  # set by one thread and read by others: a plain flag is enough
        self.source: Meter | None = None

    def begin(self, total: int, unit: str) -> None:
        """Count from zero, something else."""
        self.done, self.total, self.unit, self.detail = 0, total, unit, ""
        self.moved_at_seconds = monotonic_seconds()

    def reach(self, done: int) -> None:
        if done > self.done:
            self.done = done
            self.moved_at_seconds = monotonic_seconds()

    def tick(self, amount: int) -> None:
        if self.stopped:
            raise Stopped
        self.reach(self.done + amount)

    def stop(self) -> None:
        """The next ``tick`` raises."""
        self.stopped = True

    @property
    def still_seconds(self) -> float:
        """How long it has not moved."""
        return monotonic_seconds() - self.moved_at_seconds

    def __str__(self) -> str:
        if not self.unit:
            return self.detail
        of_all = f" of {amount(self.total, self.unit)}" if self.total else ""
        done = amount(self.done, self.unit)
        if of_all and self.unit != "bytes":
            done = str(self.done)
        return f"{done}{of_all}{f', {self.detail}' if self.detail else ''}"


def amount(number: int, unit: str) -> str:
    if unit != "bytes":
        return f"{number} {unit}"
    for size, name in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if number >= size:
            return f"{number / size:.1f} {name}"
    return f"{number} B"


CURRENT: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered(meter: Meter) -> Iterator[Meter]:
    """What happens inside the block, also in threads begun there, is counted by ``meter`` and stopped through it."""
    token = CURRENT.set(meter)
    try:
        yield meter
    finally:
        CURRENT.reset(token)


def tick(amount: int = 1) -> None:
    """A bit is done. Raises Stopped when nobody waits for the rest; does nothing where nobody counts."""
    if (meter := CURRENT.get()) is not None:
        meter.tick(amount)


def reach(done: int) -> None:
    """So much is done in all."""
    if (meter := CURRENT.get()) is not None:
        meter.reach(done)


def moved() -> None:
    """It goes on, although the figure is as it was."""
    if (meter := CURRENT.get()) is not None:
        meter.moved_at_seconds = monotonic_seconds()


def describe(detail: str) -> None:
    """What more there is to say of the figure."""
    if (meter := CURRENT.get()) is not None:
        meter.detail = detail


def shown_as(source: Meter) -> None:
    """From now on what is done here is what ``source`` counts."""
    if (meter := CURRENT.get()) is not None:
        meter.source = source


def begin(total: int, unit: str) -> None:
    """What is counted from here on, and how much it is in all; 0 when that is not known."""
    if (meter := CURRENT.get()) is not None:
        meter.begin(total, unit)
