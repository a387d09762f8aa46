"""Remembers which blobs this process has hashed, and how their files looked then.

A blob's name says what is in it, but its file can be changed all the same: by a job, by an operator, by a disk. So a
file is hashed before it counts as the blob, and hashing it again is spared while inode, size, mtime and ctime stay
as they were. The time of the last status change (ctime) cannot be set back by a program, unlike the other three. A
disk that rots changes none of them, hence the limit of a day.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from threading import Lock
from typing import Literal, NamedTuple

from treering.kernel.clock import monotonic_seconds

KNOWN_MAX = 20_000  # about half a kilobyte each
HASHED_SECONDS_MAX = 24 * 60 * 60
# Kernels before 6.13 note times with the precision of a tick (up to 10 ms): a second change within one cannot be told
# from the first, so what was found of a file this young is not remembered.
YOUNG_NS = 50_000_000

State = Literal["unknown", "good", "old", "damaged"]


class Stamp(NamedTuple):
    """How a file looks from outside; another stamp means that it may hold something else."""

    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, about: os.stat_result) -> Stamp:
        return cls(about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)

    @property
    def young(self) -> bool:
        return time.time_ns() - self.ctime_ns < YOUNG_NS


class Known(NamedTuple):
    stamp: Stamp
    good: bool
    hashed_at_seconds: float


class KnownBlobs:
    """The last ``known_max`` blobs that were hashed. Threads may share it."""

    def __init__(self, known_max: int = KNOWN_MAX) -> None:
        self.known_max = known_max
        self.known: OrderedDict[str, Known] = OrderedDict()
        self.lock = Lock()

    def state(self, digest: str, stamp: Stamp) -> State:
        """What is known of the file with ``stamp``; "old" is good, and due to be hashed again."""
        with self.lock:
            known = self.known.get(digest)
            if known is None or known.stamp != stamp:
                return "unknown"
            self.known.move_to_end(digest)
        if not known.good:
            return "damaged"
        return "good" if monotonic_seconds() - known.hashed_at_seconds < HASHED_SECONDS_MAX else "old"

    def remember(self, digest: str, stamp: Stamp, good: bool) -> None:
        with self.lock:
            self.known[digest] = Known(stamp, good, monotonic_seconds())
            self.known.move_to_end(digest)
            if len(self.known) > self.known_max:
                self.known.popitem(last=False)

    def forget(self, digest: str) -> None:
        with self.lock:
            self.known.pop(digest, None)
