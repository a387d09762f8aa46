"""Groups as cgroups: v2 by its ``cgroup.kill``, v1 by its freezer. Standard library only."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from treering.adapters.clone_into import clone_into
from treering.adapters.process_groups import PROBE, Containment
from treering.adapters.process_tree import read, signal_all

FREEZE_SECONDS_MAX = 0.05
FREEZE_POLL_SECONDS = 0.0005


class Cgroup2(Containment):
    mode = "cgroup2"

    def __init__(self, parent: str) -> None:
        self.parent = parent
        self.is_member = False

    def folder(self, group: str) -> str:
        return os.path.join(self.parent, group)

    def folders(self, group: str) -> list[str]:
        """The group's folder and those its processes may have made inside, deepest first."""
        return [folder for folder, _, _ in os.walk(self.folder(group), topdown=False)]

    def create(self, group: str) -> None:
        os.makedirs(self.folder(group), exist_ok=True)

    def fork(self, group: str) -> int:
        """The child is born into the group. To join one takes the kernel 10 to 20 ms on an idle machine, and a child
        that has not joined yet is missed by a kill.
        """
        try:
            pid = clone_into(self.folder(group))
        except OSError:
            return os.fork()  # An old kernel, or a container that does not let clone3 through.
        self.is_member = pid == 0
        return pid

    def join(self, group: str) -> None:
        if not self.is_member:
            write(os.path.join(self.folder(group), "cgroup.procs"), "0")

    def members(self, group: str, main: int | None = None) -> list[int]:
        found: list[int] = []
        for folder in self.folders(group):
            found += [int(pid) for pid in read(os.path.join(folder, "cgroup.procs")).split()]
        return found

    def strike(self, group: str, main: int | None = None) -> bool:
        if not self.removed(group):
            self.kill(group)
        return self.removed(group)

    def kill(self, group: str) -> None:
        with suppress(OSError):
            write(os.path.join(self.folder(group), "cgroup.kill"), "1")

    def removed(self, group: str) -> bool:
        """The kernel removes a group only when nobody is in it: there is no better proof."""
        removed = [remove(folder) for folder in self.folders(group)]
        return all(removed)

    def groups(self) -> list[str]:
        try:
            return [entry.name for entry in os.scandir(self.parent) if entry.is_dir() and PROBE not in entry.name]
        except OSError:
            return []

    def remove_parent(self) -> None:
        remove(self.parent)


class Cgroup1(Cgroup2):
    """The v1 freezer: without ``cgroup.kill``, nobody may fork while the list is worked off."""

    mode = "cgroup1"

    def fork(self, group: str) -> int:
        return os.fork()

    def kill(self, group: str) -> None:
        state = os.path.join(self.folder(group), "freezer.state")
        with suppress(OSError):
            write(state, "FROZEN")
        end = time.monotonic() + FREEZE_SECONDS_MAX
        while read(state).strip() == "FREEZING" and time.monotonic() < end:
            time.sleep(FREEZE_POLL_SECONDS)
        signal_all(self.members(group), signal.SIGKILL)
        for folder in self.folders(group):
            with suppress(OSError):
                write(os.path.join(folder, "freezer.state"), "THAWED")


def bases(hierarchy: str) -> list[str]:
    """Where groups may be made: at the root of the mounted hierarchy, else below our own group."""
    found: list[str] = []
    for line in read("/proc/self/mounts").splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == hierarchy or (kind == "cgroup" and hierarchy in options.split(",")):
            own = own_group("" if hierarchy == "cgroup2" else hierarchy)
            found += [where] if own == "/" else [where, where + own]
    return found


def own_group(controller: str) -> str:
    for line in read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return "/"


def write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def remove(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
