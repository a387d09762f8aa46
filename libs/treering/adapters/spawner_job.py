"""One job as its spawner knows it: waiting for its go, running, or being killed. Standard library only."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from treering.adapters.process_groups import group_name

ERROR_BYTES_MAX = 2000


class Job:
    """One child: waiting for its go, running, or being killed. ``pid`` is None once it has been reaped."""

    def __init__(self, name: str, pid: int, go: int, errors: int) -> None:
        self.name = name
        self.group = group_name(name)
        self.pid: int | None = pid
        self.go = go
        self.errors = errors
        self.began_at: float | None = None
        self.seconds = 0.0
        self.code = -int(signal.SIGKILL)
        self.error = ""
        self.kill_at: float | None = None
        self.give_up_at = 0.0

    def begin(self) -> None:
        if self.go >= 0:
            self.began_at = time.monotonic()
            with suppress(BrokenPipeError):  # It was just killed.
                os.write(self.go, b"g")
            self.forget_go()

    def forget_go(self) -> None:
        if self.go >= 0:
            os.close(self.go)
            self.go = -1

    def kill_in(self, seconds: float) -> None:
        at = time.monotonic() + seconds
        self.kill_at = at if self.kill_at is None else min(at, self.kill_at)

    def reaped(self, status: int) -> None:
        """The main process is gone: what it left behind is to be swept, at once unless it has its grace."""
        self.pid = None
        self.code = os.waitstatus_to_exitcode(status)
        self.seconds = time.monotonic() - self.began_at if self.began_at else 0.0
        with suppress(BlockingIOError):
            self.error = os.read(self.errors, ERROR_BYTES_MAX).decode(errors="replace")
        if self.kill_at is None:
            self.kill_in(0.0)

    def close(self) -> None:
        self.forget_go()
        os.close(self.errors)
