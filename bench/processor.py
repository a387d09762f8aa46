"""Processor time from /proc: of a process and all it started. Other work on the machine hardly changes it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def used_seconds(root: int) -> float:
    """By ``root``, the processes below it, and those of them that have ended and been waited for."""
    return sum(ticks for _, ticks in below(root).values()) / TICKS_PER_SECOND


def below(root: int) -> dict[int, tuple[int, int]]:
    """``root`` and the processes below it: the parent of each and its ticks, with those of its children that ended."""
    times: dict[int, tuple[int, int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            times[int(name)] = (int(fields[1]), sum(int(ticks) for ticks in fields[11:15]))
    found = {root}
    while fresh := {pid for pid, (parent, _) in times.items() if parent in found} - found:
        found |= fresh
    return {pid: times[pid] for pid in found if pid in times}


def own_seconds() -> float:
    """By this process and those of its children that have ended and been waited for."""
    spent = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def precise_seconds(root: int) -> float:
    """By the threads of ``root`` and of the processes below it that live: in nanoseconds, where ``used_seconds`` counts
    ticks of 10 ms."""
    return sum(run_seconds(pid) for pid in below(root))


def run_seconds(pid: int) -> float:
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(path.read_text().split()[0])
        except OSError:  # a thread that has just ended
            continue
    return total / 1e9
