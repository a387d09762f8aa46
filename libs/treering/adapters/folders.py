"""Lists the files of a folder that belong to a tree: all but those its ignore file names.

``.amlignore`` is read, or ``.gitignore`` when there is no ``.amlignore``, at the top of the folder only, as Azure
ML does. Patterns mean what they mean to git: what lies in an ignored folder cannot be taken back in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath

IGNORE_FILES = (".amlignore", ".gitignore")
IGNORE_BYTES_MAX = 256 * 1024
ALWAYS_SKIPPED = frozenset({".git", "__pycache__"})
DEPTH_MAX = 100
NOTHING = GitIgnoreSpec.from_lines([])


class Found(NamedTuple):
    path: str  # relative to the folder, with "/"
    full: Path
    executable: bool


def scan(folder: Path, ignore: bool = True, files_max: int = 100_000) -> list[Found]:
    """The files below ``folder``, sorted by path; of a file, itself.

    Links are followed when they stay inside. Raises ``Refused``: ``tree.absent``, ``tree.symlink``,
    ``tree.special_file``, ``tree.too_many_files``, ``tree.too_deep``, ``tree.ignore_file``, ``path.unsafe``.
    """
    root = folder.resolve()
    if root.is_file():
        return [Found(plain_path(folder.name), root, executable(root))]
    if not root.is_dir():
        raise Refused("tree.absent", f"there is no folder {str(folder)!r}")
    spec = ignored_by(root) if ignore else NOTHING
    found: list[Found] = []
    for one in walk(root, "", (root,), spec):
        found.append(one)
        if len(found) > files_max:
            message = f"{str(folder)!r} has more than {files_max} files; name what is not needed in .amlignore"
            raise Refused("tree.too_many_files", message)
    return sorted(found)


def walk(folder: Path, prefix: str, above: tuple[Path, ...], spec: GitIgnoreSpec) -> Iterator[Found]:
    """``above`` are the real folders from the root down to here: a link to one of them would never end."""
    if len(above) > DEPTH_MAX:
        raise Refused("tree.too_deep", f"{prefix[:200]!r} is more than {DEPTH_MAX} folders deep")
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            is_folder = os.path.isdir(entry.path)  # False, not an error, for a link that leads to itself
            if entry.name in ALWAYS_SKIPPED or spec.match_file(path + "/" if is_folder else path):
                continue
            full = followed(Path(entry.path), path, above) if entry.is_symlink() else Path(entry.path)
            if is_folder:
                yield from walk(full, path + "/", (*above, full), spec)
            elif entry.is_file():
                yield Found(plain_path(path), full, executable(full))
            else:
                raise Refused("tree.special_file", f"{path!r} is neither a file nor a folder; name it in .amlignore")


def followed(link: Path, path: str, above: tuple[Path, ...]) -> Path:
    """Where a symbolic link leads, which is a file or folder of the same tree."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        raise Refused("tree.symlink", f"the symbolic link {path!r} leads nowhere; mend or ignore it") from None
    if not target.is_relative_to(above[0]):
        message = f"the symbolic link {path!r} leads out of the folder, to {str(target)!r}; copy what it needs in"
        raise Refused("tree.symlink", message)
    if target in above:
        raise Refused("tree.symlink", f"the symbolic link {path!r} leads to a folder that contains it")
    return target


def plain_path(path: str) -> str:
    return SafePath.parse(path).text


def executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def ignored_by(folder: Path) -> GitIgnoreSpec:
    for name in IGNORE_FILES:
        file = folder / name
        if file.is_file():
            return read_ignore(file)
    return NOTHING


def read_ignore(file: Path) -> GitIgnoreSpec:
    with file.open("rb") as opened:
        raw = opened.read(IGNORE_BYTES_MAX + 1)
    if len(raw) > IGNORE_BYTES_MAX:
        raise Refused("tree.ignore_file", f"{file} has more than {IGNORE_BYTES_MAX} bytes")
    try:
        return GitIgnoreSpec.from_lines(raw.decode("utf-8-sig").splitlines())
    except ValueError as error:
        raise Refused("tree.ignore_file", f"{file} cannot be read: {error}") from None
