"""Folders for what is only needed for a moment, and which the next one removes where its maker was killed.

The maker holds a lock on its folder (flock(2) takes folders too), and the kernel gives that back when it dies: so a
folder without a holder is left over, however young it is.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from treering.adapters.file_lock import locked
from treering.adapters.remove_tree import remove_tree

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def scratch_folder(prefix: str, parent: Path) -> Iterator[Path]:
    """A new folder in ``parent``, for its owner only, gone after the block. Blocks while it is removed.

    What killed processes of this user have left in ``parent`` under the same ``prefix`` is removed first, so the prefix
    must be one that nothing else uses. Raises OSError where ``parent`` cannot be written to.
    """
    remove_abandoned(prefix, parent)
    folder, descriptor = held(prefix, parent)
    try:
        yield folder
    finally:
        remove_tree(str(folder))
        os.close(descriptor)


def held(prefix: str, parent: Path) -> tuple[Path, int]:
    """A new folder and the descriptor that holds it; made again where another process took it for left over."""
    while True:
        folder = Path(mkdtemp(prefix=prefix, dir=parent))
        with suppress(FileNotFoundError):
            descriptor = os.open(folder, FLAGS)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists():
                return folder, descriptor
            os.close(descriptor)


def remove_abandoned(prefix: str, parent: Path) -> None:
    for folder in parent.iterdir():
        if not folder.name.startswith(prefix):
            continue
        try:
            descriptor = os.open(folder, FLAGS)
        except OSError:  # gone meanwhile, or no folder
            continue
        try:
            if os.fstat(descriptor).st_uid == os.geteuid() and locked(descriptor):
                remove_tree(str(folder))
        finally:
            os.close(descriptor)
