"""Find processes by what /proc says about them, and signal them. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


class Process(NamedTuple):
    """What places a process: its parent, and the process group it can be signalled by."""

    parent: int
    group: int


def all_processes() -> dict[int, Process]:
    """Every living process. Zombies have died already."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := read(f"/proc/{name}/stat")):
            state, parent, group = stat.rpartition(")")[2].split()[:3]
            if state not in "ZX":
                found[int(name)] = Process(int(parent), int(group))
    return found


def tree(roots: set[int], processes: dict[int, Process]) -> set[int]:
    """``roots`` and their descendants, but never the calling process."""
    found, fresh = set(roots), set(roots)
    while fresh:
        fresh = {pid for pid, process in processes.items() if process.parent in fresh} - found
        found |= fresh
    return found - {os.getpid()}


def signal_all(pids: Iterable[int], number: int) -> None:
    """A negative number names a process group: no child that is being forked meanwhile misses the signal."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):  # A set-uid program is beyond our rights.
            os.kill(pid, number)


def read_environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []
