"""What is done to a file or folder of a home, whichever of the two it is."""

from __future__ import annotations

import shutil
from pathlib import Path


def removed(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def of_other_form(path: Path) -> None:
    """A folder becomes a file, and a file a folder."""
    was_folder = path.is_dir()
    removed(path)
    if was_folder:
        path.write_bytes(b"x")
    else:
        path.mkdir(mode=0o700)
