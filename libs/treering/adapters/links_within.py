"""Follows a symbolic link of a folder that a job or a stranger has filled, without a look at anything outside it.

Left to the operating system, a link to ``/proc/self/environ``, ``/proc/<pid>/cwd`` or a file server would be followed
by the process that reads the folder: it would see what that process sees, and where it leads would be said.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path, PurePosixPath

LINKS_MAX = 40  # on one way, as the kernel has it


def within(root: Path, link: Path) -> Path | None:
    """Where ``link``, a path below the real folder ``root``, leads: no link itself; None when it leads out of ``root``,
    be it on the way only. OSError when it leads nowhere, or round."""
    here, waiting = root, list(reversed(link.relative_to(root).parts))
    links = 0
    while waiting:
        name = waiting.pop()
        if name == "..":
            if here == root:
                return None
            here = here.parent
            continue
        following = here / name
        if not following.is_symlink():
            here = following
            continue
        links += 1
        if links > LINKS_MAX:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(link))
        target = PurePosixPath(os.readlink(following))
        if target.is_absolute():
            if not target.is_relative_to(root):
                return None
            here, target = root, target.relative_to(root)
        waiting += reversed(target.parts)
    os.lstat(here)
    return here
