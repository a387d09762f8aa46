"""Tells whether the kernel ended a process because memory was short. Standard library only.

The count of such kills is read before a command and after it. Where the command has a memory cgroup to itself
(cgroup v2 with the memory controller) the count is its own. Else it is that of the cgroup that all processes of
this executor share, or of the whole machine: then only a kill of the command itself, by SIGKILL, is put down to it.

``oom_kill`` in ``memory.events`` (v2) and ``memory.oom_control`` (v1) counts kills by any out-of-memory killer, also
the machine's (Documentation/admin-guide/cgroup-v2.rst); ``oom_kill`` in /proc/vmstat those of the whole machine.
"""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from treering.adapters.process_tree import read

UNLIMITED_BYTES = 1 << 60
MACHINE = "/proc/vmstat"


class MemoryKills(NamedTuple):
    """Where the kills are counted. ``exact``: only those of one command. ``folder``: of its cgroup, "" for none."""

    file: str
    exact: bool = False
    folder: str = ""

    def so_far(self) -> int:
        """The kills so far; 0 where the kernel does not count them."""
        return next((int(line.split()[1]) for line in read(self.file).splitlines() if line.startswith("oom_kill ")), 0)

    def limit_bytes(self) -> int:
        """The memory limit that holds in the cgroup; 0 for none."""
        if not self.folder:
            return 0
        stat = (line.split() for line in read(os.path.join(self.folder, "memory.stat")).splitlines())
        limits = [int(size) for name, size in stat if name == "hierarchical_memory_limit"]  # v1
        folder = self.folder
        while folder and (limit := read(os.path.join(folder, "memory.max")).strip()):  # v2; the root has none
            limits += [int(limit)] if limit.isdecimal() else []
            folder = os.path.dirname(folder)
        limit_bytes = min(limits, default=0)
        return limit_bytes if limit_bytes < UNLIMITED_BYTES else 0


def memory_kills(group_folder: str = "") -> MemoryKills:
    """The most exact count there is. ``group_folder`` is the command's own cgroup, where it has one."""
    own = os.path.join(group_folder, "memory.events")
    if group_folder and os.path.exists(own):
        return MemoryKills(own, exact=True, folder=group_folder)
    return shared_kills()


@cache
def shared_kills() -> MemoryKills:
    """The count of the cgroup of this process, else that of the machine."""
    for hierarchy, name in (("memory", "memory.oom_control"), ("", "memory.events")):
        for folder in own_folders(hierarchy):
            file = os.path.join(folder, name)
            if "oom_kill " in read(file):
                return MemoryKills(file, folder=folder)
    return MemoryKills(MACHINE)


def own_folders(controller: str) -> list[str]:
    """Where the cgroup of this process may be found: v1 of ``controller``, or v2 for ""."""
    paths = [path for _, names, path in map(parts, read("/proc/self/cgroup").splitlines()) if controller in names]
    roots = []
    for line in read("/proc/self/mounts").splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == ("cgroup" if controller else "cgroup2") and (not controller or controller in options.split(",")):
            roots.append(where)
    # In a container the mount may begin at our own group, while /proc names its path on the machine.
    return [folder for root in roots for path in paths for folder in (root + path.rstrip("/"), root)]


def parts(line: str) -> tuple[str, list[str], str]:
    number, names, path = line.split(":", 2)
    return number, names.split(","), path
