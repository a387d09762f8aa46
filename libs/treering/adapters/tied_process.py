"""A command line whose process ends with the one that starts it, even when that one dies by kill -9."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

# Runs between fork and the command: when the thread that started it dies, the kernel sends it a signal. If the parent
# died before the request was made, its id has changed, and nothing starts.
LAUNCH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, int(sys.argv[2]))
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
if int(sys.argv[3]) >= 0:
    os.umask(int(sys.argv[3]))
os.execv(sys.argv[4], sys.argv[4:])
"""


def tied(argv: Sequence[str], at_death: signal.Signals, *, umask: int = -1) -> list[str]:
    """``argv`` such that its process gets the signal ``at_death`` when the thread that starts it ends.

    ``umask`` -1 leaves the mask as it is. Start it from a thread that lives as long as the process shall.
    Elsewhere than on Linux it is ``argv`` itself.
    """
    if sys.platform != "linux":
        return list(argv)
    return [sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid()), str(int(at_death)), str(umask), *argv]
