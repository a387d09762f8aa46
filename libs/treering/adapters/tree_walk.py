"""Bounds for going through a folder that a job or a stranger has filled: every such walk ends, and can be stopped.

Doubled symbolic links (``a/x`` and ``a/y`` both lead to ``b``, ``b/x`` and ``b/y`` both to ``c``) make 2^60 paths out
of 180 entries. So a walk counts the entries it meets, the depth it has come to, and how many ways lead to one folder;
and it says ``tick`` at each entry, which ends it when nobody waits for it any more (kernel/meter.py).
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from treering.kernel.meter import tick
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import CHARACTERS_MAX

FILES_MAX = 1_000_000  # of one tree: about what fits into its manifest
ENTRIES_MAX = 2 * FILES_MAX  # files, folders and links, also those that are passed over
DEPTH_MAX = 100
WAYS_MAX = 32  # to one folder: people have "latest" and "best" lead to the same checkpoint
SHOWN_CHARACTERS_MAX = 200
# What whoever filled the folder has done; any other error is the machine's, and raised as it is.
THEIRS = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class Bounds:
    """What one walk has met so far. ``top`` is how messages call the folder."""

    def __init__(self, top: str) -> None:
        self.top = top
        self.entries = 0
        self.ways: Counter[tuple[int, int]] = Counter()

    def meet(self) -> None:
        """One more entry. Raises ``Refused`` ``tree.too_many_entries``, and ``Stopped``."""
        tick(0)
        self.entries += 1
        if self.entries > ENTRIES_MAX:
            why = f"{self.top} has more than {ENTRIES_MAX} files, folders and links"
            raise Refused("tree.too_many_entries", f"{why}; remove what is not needed, or pack it into one file")

    def enter(self, path: str, depth: int) -> None:
        """A folder at ``path`` below the top. Raises ``Refused``: ``tree.too_deep``, ``tree.path_too_long``."""
        if depth > DEPTH_MAX:
            raise Refused("tree.too_deep", f"{shown(path)} in {self.top} is more than {DEPTH_MAX} folders deep")
        if len(path) > CHARACTERS_MAX:
            why = f"a path in {self.top} has {len(path)} characters, at most {CHARACTERS_MAX} are taken"
            raise Refused("tree.path_too_long", f"{why}: {shown(path)}")

    def reach(self, folder: str, path: str) -> None:
        """One more way to the real folder. Raises ``Refused`` ``tree.too_many_links``."""
        about = os.stat(folder)
        self.ways[about.st_dev, about.st_ino] += 1
        if self.ways[about.st_dev, about.st_ino] > WAYS_MAX:
            why = f"symbolic links in {self.top} lead to one folder in more than {WAYS_MAX} ways"
            raise Refused("tree.too_many_links", f"{why}, one of them {shown(path)}; remove some of the links")


def entries(bounds: Bounds, folder: str, path: str = "", depth: int = 0) -> Iterator[os.DirEntry[str]]:
    """What stands directly in ``folder``, which is at ``path`` below the top of the walk.

    Raises ``Refused``: ``tree.too_many_entries``, ``tree.too_deep``, ``tree.path_too_long``, ``tree.too_many_links``,
    ``tree.unreadable``; and ``Stopped``.
    """
    bounds.enter(path, depth)
    with readable(path, bounds.top):
        bounds.reach(folder, path)
        found = os.scandir(folder)
    with found:
        for entry in found:
            bounds.meet()
            yield entry


def below(top: str, said: str) -> Iterator[os.DirEntry[str]]:
    """Everything below the folder ``top``, which messages call ``said``: a folder before what is in it, links
    themselves. Raises as ``entries`` does."""
    bounds = Bounds(said)
    waiting = [(top, "", 0)]
    while waiting:
        folder, path, depth = waiting.pop()
        for entry in entries(bounds, folder, path, depth):
            yield entry
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, f"{path}{entry.name}/", depth + 1))


@contextmanager
def readable(path: str, top: str) -> Iterator[None]:
    """``Refused`` ``tree.unreadable`` for what closed modes, long paths and the like make of a file or folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in THEIRS:
            raise
        raise Refused("tree.unreadable", f"{shown(path)} in {top} cannot be read: {error.strerror}") from None


def shown(path: str) -> str:
    return repr(path if len(path) <= SHOWN_CHARACTERS_MAX else f"{path[:SHOWN_CHARACTERS_MAX]}...")
