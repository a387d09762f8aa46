"""Opens a file whose content is to be taken as a whole: a regular file, read to the end that it has now.

``/dev/zero`` has no end, a FIFO blocks whoever opens it, a link can lead to either, and a file that grows as fast as
it is read has no end either.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import cast

from treering.kernel.file_kinds import kind_of
from treering.kernel.refusal import Refused

FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Whole(io.FileIO):
    """A regular file up to the size it had when it was opened."""

    def __init__(self, path: Path, descriptor: int, size_bytes: int) -> None:
        super().__init__(descriptor, "rb")
        self.path = path
        self.left_bytes = size_bytes

    read = io.RawIOBase.read  # type: ignore[assignment]  # both end in readinto
    readall = io.RawIOBase.readall

    def readinto(self, buffer: object) -> int:
        try:
            count = cast(int, super().readinto(buffer) or 0)  # type: ignore[arg-type]
        except OSError as error:  # of a read it does not say which file
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self.left_bytes -= count
        if self.left_bytes < 0:
            why = f"{str(self.path)!r} grew while it was read; try again when nothing writes to it"
            raise Refused("tree.changed", why)
        return count


def open_regular(path: Path) -> io.BufferedReader:
    """Read ``path``. Raises ``Refused``: ``tree.special_file`` for what is no regular file (links too), from reading
    ``tree.changed`` for one that grows; OSError. Nothing is opened that a look at it already rules out: opening alone
    does something to some devices.
    """
    require_regular(path, os.lstat(path).st_mode)
    descriptor = os.open(path, FLAGS)
    try:
        about = os.fstat(descriptor)  # it may be another file by now
        require_regular(path, about.st_mode)
        return io.BufferedReader(Whole(path, descriptor, about.st_size))
    except BaseException:
        os.close(descriptor)
        raise


def require_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise Refused("tree.special_file", f"{str(path)!r} is {kind_of(mode)}; only files and folders can be taken")
