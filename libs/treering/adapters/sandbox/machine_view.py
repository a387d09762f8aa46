"""Which parts of the machine every command sees: its programs and their settings, without what is secret there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PROGRAMS = ("/usr", "/etc", "/opt", "/nix")
LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")  # folders of their own, or links into /usr
# What programs ask about the machine's hardware. Not /sys/fs nor /sys/kernel: cgroups and tracing are there.
HARDWARE = ("/sys/devices", "/sys/class", "/sys/bus", "/sys/dev", "/sys/module")
ACCELERATORS = ("/dev/nvidia*", "/dev/dri", "/dev/kfd", "/dev/infiniband", "/dev/neuron*")
# How deep to look for files that only their owner may read: (folder, depth).
SEARCHED = (("/etc", 8), ("/opt", 2), ("/usr/local", 2))
HIDDEN_MAX = 200
EVERYBODY_READS = 0o004
EVERYBODY_ENTERS = 0o005


def shown_roots() -> list[str]:
    """The folders that are shown whole, apart from ``secrets``."""
    return [path for path in (*PROGRAMS, *LINKS) if os.path.isdir(path) and not os.path.islink(path)]


def is_shown(path: Path) -> bool:
    return any(path.is_relative_to(root) for root in shown_roots())


@cache
def machine_arguments(hiding: bool = True) -> tuple[str, ...]:
    """The view as arguments of bubblewrap. Looked up once a process: it takes some milliseconds.

    ``hiding``: cover what is secret. Not needed where the kernel keeps it from the user that the command is.
    """
    found = [word for path in shown_roots() for word in ("--ro-bind", path, path)]
    for path in LINKS:
        if os.path.islink(path):
            found += ["--symlink", os.readlink(path), path]
    found += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run"]
    found += ["--symlink", "/run", "/var/run"]
    for path in (*HARDWARE, *resolver()):
        found += ["--ro-bind-try", path, path]
    for pattern in ACCELERATORS:
        for device in sorted(Path("/dev").glob(pattern.removeprefix("/dev/"))):
            found += ["--dev-bind-try", str(device), str(device)]
    for secret in secrets() if hiding else ():
        found += ["--tmpfs", secret] if os.path.isdir(secret) else ["--ro-bind", "/dev/null", secret]
    return tuple(found)


def resolver() -> list[str]:
    """The file that /etc/resolv.conf leads to, where that is not in /etc: else no name can be looked up."""
    real = os.path.realpath("/etc/resolv.conf")
    return [] if real.startswith("/etc/") else [real]


def secrets() -> list[str]:
    """What we may read below the shown folders and an ordinary user of the machine may not, such as /etc/shadow.

    A command that keeps our user id could read it. This finds what was there when the executor started, and not in
    every corner: where root's commands can be another user (``root_swap``) it is not needed.
    """
    found = [path for root, depth in SEARCHED if os.path.isdir(root) for path in closed(root, depth)]
    return found[:HIDDEN_MAX]


def closed(folder: str, depth: int) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            continue
        is_folder = entry.is_dir()
        wanted = EVERYBODY_ENTERS if is_folder else EVERYBODY_READS
        if entry.stat(follow_symlinks=False).st_mode & wanted != wanted:
            if os.access(entry.path, os.R_OK):
                yield entry.path
        elif is_folder and depth > 1:
            yield from closed(entry.path, depth - 1)


def is_open_to_everybody(path: Path) -> bool:
    """Whether every user of this machine may read ``path``, and enter all folders above it."""
    try:
        real = path.resolve(strict=True)
        above = all(folder.stat().st_mode & 0o001 for folder in real.parents)
        wanted = EVERYBODY_ENTERS if real.is_dir() else EVERYBODY_READS
        return above and real.stat().st_mode & wanted == wanted
    except OSError:
        return False
