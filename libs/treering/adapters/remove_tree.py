"""Remove a folder whatever a job has put in it: folders nested thousands deep, paths too long, closed modes.

``shutil.rmtree`` goes down by recursion and by ever longer paths, so 1,500 nested folders end it with RecursionError
and a few thousand with ENAMETOOLONG. Here every folder is moved up to the top before what is in it is looked at:
paths stay short, and nothing is remembered but names.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from uuid import uuid4

OPEN = 0o700


def remove_tree(top: str) -> bool:
    """Remove ``top``, in which no process works any more; True when it is gone. Blocks.

    Links are removed and not followed. What cannot be removed stays.
    """
    if os.path.islink(top) or not os.path.isdir(top):
        with suppress(OSError):
            os.unlink(top)
        return not os.path.lexists(top)
    names, stuck = (f"{top}/.{uuid4().hex}-{number}" for number in count()), set[str]()
    while folders := [folder for folder in emptied(top) if folder not in stuck]:
        for folder in folders:
            try:
                for inner in emptied(folder):
                    os.chmod(inner, OPEN)  # a folder that is moved elsewhere must be writable: it has its parent in it
                    os.rename(inner, next(names))
                os.rmdir(folder)
            except OSError:
                stuck.add(folder)
    with suppress(OSError):
        os.rmdir(top)
    return not os.path.lexists(top)


def emptied(folder: str) -> list[str]:
    """The folders directly in ``folder``; everything else there is removed."""
    with suppress(OSError):
        os.chmod(folder, OPEN)
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found.append(entry.path)
                else:
                    with suppress(OSError):
                        os.unlink(entry.path)
    except OSError:  # it cannot be read, so it is not emptied either
        return found
    return found
