"""How a process ends in time: asked once, it has STOP_SECONDS_MAX to end in order; then it is cut off.

Every wait on the way of a stop has a bound of its own. The backstop is for what cannot be bounded from inside the event
loop: a thread that waits for a dead disk, or a library that blocks.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

from treering.kernel.clock import monotonic_seconds

STOP_SECONDS_MAX = 10.0
BACKSTOP_SECONDS = 9.5
CUT_OFF = 1  # exit code


class Stop(asyncio.Event):
    """Set when the process is asked to stop; it knows when that was."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_at_seconds: float | None = None

    def set(self) -> None:
        if self.asked_at_seconds is None:
            self.asked_at_seconds = monotonic_seconds()
        super().set()

    def left_seconds(self, seconds_max: float) -> float:
        """What is left of ``seconds_max`` since it was asked; all of it when it was not."""
        gone = 0.0 if self.asked_at_seconds is None else monotonic_seconds() - self.asked_at_seconds
        return max(0.0, seconds_max - gone)


class Backstop:
    """Ends the process when it has not ended by itself BACKSTOP_SECONDS after ``arm``."""

    def __init__(self, seconds: float = BACKSTOP_SECONDS) -> None:
        self.seconds = seconds
        self.timer: threading.Timer | None = None

    def arm(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the time; does nothing the second time."""
        if self.timer is None:
            self.timer = threading.Timer(self.seconds, cut_off, (self.seconds, loop))
            self.timer.daemon = True
            self.timer.start()

    def disarm(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


def cut_off(seconds: float, loop: asyncio.AbstractEventLoop) -> None:
    """Kill the children, name what hangs, end the process. Runs in the timer's thread."""
    names = sorted(thread.name for thread in threading.enumerate() if thread is not threading.current_thread())
    with suppress(RuntimeError):  # the loop's thread may add a task while they are listed
        names += sorted(task.get_name() for task in asyncio.all_tasks(loop))
    for child in children():
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    print(f"treering: did not stop in {seconds:g} s and was cut off; still there: {', '.join(names)}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(CUT_OFF)


def children() -> list[int]:
    """The processes that this one has started, of whichever thread; none where /proc does not tell."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path("/proc/self/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found
