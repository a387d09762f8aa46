"""Groups without cgroups: processes known by their parents and by a variable they inherit. Standard library only."""

from __future__ import annotations

import os
import signal

from treering.adapters.process_groups import Containment, mark
from treering.adapters.process_tree import Process, all_processes, read_environment, signal_all, tree

STOP_ROUNDS_MAX = 50


class Marked(Containment):
    """Where no cgroup may be made: descendants, and processes with a variable that they inherit. One that has left
    its parents and cleared its environment is found only when no other group of the spawner runs."""

    mode = "session"

    def __init__(self, parent: str) -> None:
        self.parent = parent
        self.dying: dict[str, set[int]] = {}

    def create(self, group: str) -> None:
        """Nothing to make: the mark is in the environment that the command is given."""

    def join(self, group: str) -> None:
        """Nothing to do: until it runs its command, the spawner knows the process."""

    def members(self, group: str, main: int | None = None) -> list[int]:
        return sorted(self.find(group, main, all_processes()))

    def find(self, group: str, main: int | None, processes: dict[int, Process]) -> set[int]:
        variable = mark(self.parent, group)
        return tree({pid for pid in processes if pid == main or variable in read_environment(pid)}, processes)

    def strike(self, group: str, main: int | None = None) -> bool:
        """Stop all before killing any: what is stopped does not fork. With each its process group, which is of the
        job too: a job begins with a session of its own.
        """
        stopped: set[int] = set()
        for _ in range(STOP_ROUNDS_MAX):
            processes = all_processes()
            fresh = self.find(group, main, processes) - stopped
            if not fresh:
                break
            groups = {processes[pid].group for pid in fresh} - {0, 1, os.getpgrp()}
            fresh |= {-number for number in groups}
            signal_all(fresh, signal.SIGSTOP)
            stopped |= fresh
        signal_all(stopped, signal.SIGKILL)
        # Who is dying has no environment any more, but perhaps still his files.
        dying = self.dying.pop(group, set()) & all_processes().keys()
        if stopped or dying:
            self.dying[group] = dying | stopped
        # /proc is not read in one moment: who forks and exits meanwhile can be missed once.
        return not stopped and not dying and not self.members(group, main)

    def groups(self) -> list[str]:
        prefix = mark(self.parent, "")
        found = set()
        for pid in all_processes():
            found |= {entry[len(prefix) :].decode() for entry in read_environment(pid) if entry.startswith(prefix)}
        return sorted(found)

    def strike_strays(self) -> bool:
        processes = all_processes()
        strays = tree({pid for pid, process in processes.items() if process.parent == os.getpid()}, processes)
        signal_all(strays, signal.SIGKILL)
        return not strays

    def remove_parent(self) -> None:
        """Nothing was made."""
