"""Which containment this machine allows, and the sweep of all that one node ever started in any.

One strike may miss a process that was just being forked, so ``strike`` is repeated until it says that none is left.
Imported by the spawner, which starts without site-packages: the standard library only.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from treering.adapters.cgroups import Cgroup1, Cgroup2, bases
from treering.adapters.marked_processes import Marked
from treering.adapters.process_groups import PROBE, Containment

MODES = ("cgroup2", "cgroup1", "session")
PAUSE_SECONDS = 0.002
PROBE_SECONDS_MAX = 1.0


def choose(parent: str, forced: str = "") -> Containment:
    """The best containment this process may use; ``forced`` names one. OSError when that is not possible."""
    for mode in (forced,) if forced else MODES:
        for containment in candidates(parent, mode):
            if isinstance(containment, Marked) or usable(containment):
                return containment
    raise OSError(f"the containment {forced!r} cannot be used here: leave it out, or take one of {', '.join(MODES)}")


def candidates(parent: str, mode: str) -> list[Containment]:
    if mode == "cgroup2":
        return [Cgroup2(os.path.join(base, parent)) for base in bases("cgroup2")]
    if mode == "cgroup1":
        return [Cgroup1(os.path.join(base, parent)) for base in bases("freezer")]
    return [Marked(parent)] if mode == "session" else []


def sweep(parent: str, timeout_seconds: float) -> bool:
    """Kill every group below the parent, of whichever mode. Blocks. False: somebody outlived ``timeout_seconds``."""
    kinds = [containment for mode in MODES for containment in candidates(parent, mode)]
    end = time.monotonic() + timeout_seconds
    while left := [(containment, group) for containment in kinds for group in containment.groups()]:
        if time.monotonic() > end:
            return False
        gone = [containment.strike(group) for containment, group in left]
        if not all(gone):
            time.sleep(PAUSE_SECONDS)
    return True


def usable(containment: Containment) -> bool:
    """Try it: make a group, put a child into it, and see that it can be killed there."""
    probe = f"{PROBE}{os.getpid()}"
    child = 0
    try:
        containment.create(probe)
        child = containment.fork(probe)
        if child == 0:
            try:
                containment.join(probe)
                signal.pause()
            finally:
                os._exit(1)
        end = time.monotonic() + PROBE_SECONDS_MAX
        while child not in containment.members(probe):
            if time.monotonic() > end or os.waitpid(child, os.WNOHANG)[0]:
                return False
            time.sleep(PAUSE_SECONDS)
        while not containment.strike(probe):
            if time.monotonic() > end:
                return False
            time.sleep(PAUSE_SECONDS)
        return True
    except OSError:
        return False
    finally:
        if child:
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        containment.strike(probe)
