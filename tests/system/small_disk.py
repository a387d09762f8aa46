"""A disk of a few megabytes that a test mounts, fills and frees. It needs root and mount(8)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 1024 * 1024
PIECE_BYTES = 64 * 1024


class SmallDisk:
    """``filler`` is what takes the room: the file of some other program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.filler = folder / "filler"

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Take all room but ``leave_bytes``, to the byte."""
        with self.filler.open("ab", buffering=0) as file:
            while (room := self.free_bytes() - leave_bytes) > 0:
                try:
                    file.write(bytes(min(PIECE_BYTES, room)))
                except OSError:
                    return

    def free(self) -> None:
        self.filler.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize


@contextmanager
def small_disk(folder: Path, size: str = "24m") -> Iterator[SmallDisk]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small file system needs root and mount(8)")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
