"""One job as its spawner knows it: waiting for its go, running, or being killed. Standard library only.

How it ended is said in one of three ways, and they must not be mixed up: ``code`` (the command's own end), ``lost``
(we failed, so nothing is known of the command: it may be tried again) or ``error`` (it cannot be run, or not ended).
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from treering.adapters.memory_kills import MemoryKills
from treering.adapters.process_groups import group_name
from treering.adapters.sandbox.ending import ending

ERROR_BYTES_MAX = 2000


class Job:
    """One child: waiting for its go, running, or being killed. ``pid`` is None once it has been reaped."""

    def __init__(self, name: str, pid: int, go: int, errors: int, kills: MemoryKills, sandboxed: str = "") -> None:
        """``sandboxed``: the command, when the child is the sandbox that it runs in."""
        self.name = name
        self.group = group_name(name)
        self.pid: int | None = pid
        self.go = go
        self.errors = errors
        self.sandboxed = sandboxed
        self.began_at: float | None = None
        self.seconds = 0.0
        self.code = -int(signal.SIGKILL)
        self.error = ""
        self.lost = ""
        self.alive = False
        self.kills = kills
        self.kills_before = 0
        self.out_of_memory = False
        self.kill_at: float | None = None
        self.give_up_at = 0.0

    def begin(self) -> None:
        if self.go >= 0:
            self.began_at = time.monotonic()
            self.kills_before = self.kills.so_far()
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

    def in_grace(self, now: float) -> bool:
        return self.kill_at is not None and self.kill_at > now

    def reaped(self, status: int) -> None:
        """The main process is gone: what it left behind is to be swept, at once unless it has its grace."""
        self.pid = None
        self.code = os.waitstatus_to_exitcode(status)
        self.seconds = time.monotonic() - self.began_at if self.began_at else 0.0
        with suppress(BlockingIOError):
            self.error = os.read(self.errors, ERROR_BYTES_MAX).decode(errors="replace")
        if self.sandboxed:
            self.code, self.error = ending(self.code, self.error, self.sandboxed)
        if self.kill_at is None:
            if self.began_at is None and not self.error:
                self.lost = "the process that was to become its command was ended"
            self.out_of_memory = self.ended_by_memory()
            if self.sandboxed and self.code < 0 and os.WIFSIGNALED(status) and not self.out_of_memory:
                self.lost = self.lost or "the sandbox of its command was ended"
            self.kill_in(0.0)

    def ended_by_memory(self) -> bool:
        """Whether the kernel's out-of-memory killer ended it, or what it could not do without."""
        killed = self.code in (-signal.SIGKILL, 128 + signal.SIGKILL)  # a shell says the latter of its child
        return self.code != 0 and (killed or self.kills.exact) and self.kills.so_far() > self.kills_before

    def close(self) -> None:
        self.forget_go()
        os.close(self.errors)
