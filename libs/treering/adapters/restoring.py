"""A home that is being made of a backup says so, from before its first file until it is whole.

A process that is killed cannot tidy up. Half a home looks like a new one: a start would go on with an empty log.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from treering.adapters.file_lock import locked
from treering.adapters.findings import Fault
from treering.adapters.remove_tree import remove_tree
from treering.config import Home
from treering.kernel.refusal import Refused

MARK = "restoring"
MENDS = "run `treering restore` again, which begins anew, or remove the home"


def unfinished(home: Home) -> list[Fault]:
    """What a start has to know of a home whose restore was broken off."""
    if not os.path.lexists(home.root / MARK):
        return []
    why = f"{home.root} is half of a home: the `treering restore` into it has not ended"
    return [Fault(home.root / MARK, why, MENDS, "home.incomplete", True)]


@contextmanager
def restoring(home: Home) -> Iterator[None]:
    """The home is marked in the block, and empty at its beginning; the mark stays when the block is not left in order.

    ``Refused("backup.home_used")`` when it holds anything but what a restore that was broken off left there.
    """
    home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark = home.root / MARK
    descriptor = marked(home, mark)
    try:
        for path in home.root.iterdir():
            if path != mark:
                remove_tree(str(path))
        yield
        mark.unlink()
    finally:
        os.close(descriptor)


def marked(home: Home, mark: Path) -> int:
    """Make the mark, or take over the one of a restore that was broken off; held while the descriptor is open."""
    refuse_used(home)
    descriptor = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if not (locked(descriptor) and mark.exists() and mark.stat().st_ino == os.fstat(descriptor).st_ino):
        os.close(descriptor)
        raise Refused("backup.home_used", f"another `treering restore` works on {home.root}: wait until it has ended")
    return descriptor


def refuse_used(home: Home) -> None:
    if home.root.exists() and any(home.root.iterdir()) and not (home.root / MARK).exists():
        raise Refused("backup.home_used", f"{home.root} is not empty: choose a home that is, or does not exist")
