"""A download of many files appears as a whole: it is collected beside its place, and moved there when all is here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from treering.adapters.remove_tree import remove_tree
from treering.client.download import make_folder
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A folder to fill. Afterwards its content stands in ``folder``, beside what is there; nothing after an error.

    Raises ``Refused`` (``file.unwritable``, ``path.unsafe``).
    """
    was_there = folder.exists()
    make_folder(folder)
    stage = folder / f".{uuid4().hex}.partial"
    make_folder(stage)
    try:
        yield stage
        move(stage, folder)
    finally:
        remove_tree(str(stage))
        if not was_there:
            with suppress(OSError):  # it has something in it now
                folder.rmdir()


def move(stage: Path, folder: Path) -> None:
    """All of it, once it is clear that all of it can be: files replace files, folders are joined."""
    files, folders = [], []
    for here, inner, names in os.walk(stage):
        path = Path(here).relative_to(stage)
        folders += [placed(path / name, folder, is_folder=True) for name in inner]
        files += [(Path(here, name), placed(path / name, folder, is_folder=False)) for name in names]
    for one in folders:
        make_folder(one)
    for file, target in files:
        try:
            file.replace(target)
        except OSError as error:
            raise Refused("file.unwritable", f"{target}: {error.strerror or error}") from None


def placed(path: Path, folder: Path, is_folder: bool) -> Path:
    target = SafePath.parse(path.as_posix()).under(folder)
    if target.exists() and target.is_dir() != is_folder:
        there, comes = ("a file", "a folder") if is_folder else ("a folder", "a file")
        why = f"{target} is {there} already and {comes} of that name would come; move it away, or choose another path"
        raise Refused("file.unwritable", why)
    return target
