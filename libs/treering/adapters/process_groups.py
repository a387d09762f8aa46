"""The port to groups of processes that nothing escapes from. Its adapters: ``cgroups``, ``marked_processes``.

Imported by the spawner, which starts without site-packages: the standard library only, here and in the adapters.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod

MARK = "TREERING_GROUP"
PROBE = "probe-"


class Containment(ABC):
    """Groups of processes under one parent, which a later process finds again by its name.

    ``main`` is a group's first process, for as long as it has not been reaped.
    """

    mode: str

    @abstractmethod
    def create(self, group: str) -> None: ...

    def fork(self, group: str) -> int:
        """``os.fork``; the child is in the group at once if the kernel can do that, else it is to ``join``."""
        return os.fork()

    def folder(self, group: str) -> str:
        """The group's folder among the cgroups; "" where it has none."""
        return ""

    @abstractmethod
    def join(self, group: str) -> None:
        """Put the calling process, and with it all its children to come, into the group."""

    @abstractmethod
    def members(self, group: str, main: int | None = None) -> list[int]: ...

    @abstractmethod
    def strike(self, group: str, main: int | None = None) -> bool:
        """One round of SIGKILL for everything in the group. True: nobody was left, and the group is removed."""

    @abstractmethod
    def groups(self) -> list[str]:
        """Every group below the parent, also those an earlier process made."""

    def strike_strays(self) -> bool:
        """For a spawner that runs no group: kill all its children, which no group knows. True: there was none."""
        return True  # A cgroup knows all its processes.

    @abstractmethod
    def remove_parent(self) -> None:
        """Once no group is left."""


def mark(parent: str, group: str) -> bytes:
    return f"{MARK}={parent}/{group}".encode()


def group_name(text: str) -> str:
    """A folder name for any text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
