"""Lists the files of a folder that belong to a tree: all but those its ignore file names.

``.amlignore`` is read, or ``.gitignore`` when there is no ``.amlignore``, at the top of the folder only, as Azure
ML does. Patterns mean what they mean to git: what lies in an ignored folder cannot be taken back in.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from treering.adapters.links_within import within
from treering.adapters.regular_files import kind_of, open_regular, require_regular
from treering.adapters.tree_walk import FILES_MAX, Bounds, entries, readable, shown
from treering.kernel.meter import begin, tick
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath

IGNORE_FILES = (".amlignore", ".gitignore")
IGNORE_BYTES_MAX = 256 * 1024
BLOCK_BYTES = 512  # what st_blocks counts
ALWAYS_SKIPPED = frozenset({".git", "__pycache__"})
NOTHING = GitIgnoreSpec.from_lines([])


class Found(NamedTuple):
    path: str  # relative to the folder, with "/"
    full: Path
    executable: bool
    size_bytes: int
    inode: tuple[int, int]  # a file with several names has one
    disk_bytes: int  # less than its size where it has holes


def scan(folder: Path, ignore: bool = True, files_max: int = FILES_MAX) -> list[Found]:
    """The files below ``folder``, sorted by path; of a file, itself.

    Links are followed when they stay inside. Raises ``Refused``: ``tree.absent``, ``tree.symlink``,
    ``tree.special_file``, ``tree.too_many_files``, ``tree.ignore_file``, ``path.unsafe``, and as ``entries`` does.
    """
    root = folder.resolve()
    if root.is_file():
        return [found_at(folder.name, root)]
    if root.exists() and not root.is_dir():
        require_regular(folder, root.stat().st_mode)
    if not root.is_dir():
        raise Refused("tree.absent", f"there is no folder {str(folder)!r}")
    spec = ignored_by(root) if ignore else NOTHING
    found: list[Found] = []
    begin(0, "files found")
    for one in walk(Bounds(f"the folder {root.name!r}"), root, "", (root,), spec, left_out(ignore)):
        found.append(one)
        tick(1)
        if len(found) > files_max:
            why = f"{str(folder)!r} has more than {files_max} files; for what is not needed: {left_out(ignore)}"
            raise Refused("tree.too_many_files", why)
    return sorted(found)


def left_out(ignore: bool) -> str:
    """What to do about a file that cannot be taken; an ignore file is not read where data is taken whole."""
    return "name it in .amlignore" if ignore else "remove it"


def walk(
    bounds: Bounds, folder: Path, prefix: str, above: tuple[Path, ...], spec: GitIgnoreSpec, advice: str
) -> Iterator[Found]:
    """``above`` are the real folders from the root down to here: a link to one of them would never end."""
    for entry in entries(bounds, str(folder), prefix, len(above) - 1):
        path, full, refused = prefix + entry.name, Path(entry.path), None
        if entry.is_symlink():
            try:
                full = followed(full, path, above)
            except Refused as refusal:
                refused = refusal  # unless it is ignored
        is_folder = refused is None and os.path.isdir(full)
        said = path + "/" if is_folder or (refused is not None and spec.match_file(path + "/")) else path
        if entry.name in ALWAYS_SKIPPED or spec.match_file(said):
            continue
        if refused is not None:
            raise refused
        if is_folder:
            yield from walk(bounds, full, path + "/", (*above, full), spec, advice)
            continue
        with readable(path, bounds.top):
            mode = os.lstat(full).st_mode
            if not stat.S_ISREG(mode):
                raise Refused("tree.special_file", f"{path!r} is {kind_of(mode)}, not a file or a folder; {advice}")
            one = found_at(path, full)
        yield one


def followed(link: Path, path: str, above: tuple[Path, ...]) -> Path:
    """Where a symbolic link leads, which is a file or folder of the same tree. A refusal has the link's own text only:
    where that leads outside the tree is nobody's to know."""
    try:
        target = within(above[0], link)
    except OSError:
        raise Refused("tree.symlink", f"the symbolic link {path!r} leads nowhere; mend or ignore it") from None
    if target is None:
        text = shown(os.readlink(link))
        message = f"the symbolic link {path!r} leads out of the folder: it says {text}; copy what it needs in"
        raise Refused("tree.symlink", message)
    if target in above:
        raise Refused("tree.symlink", f"the symbolic link {path!r} leads to a folder that contains it")
    return target


def plain_path(path: str) -> str:
    return SafePath.parse(path).text


def found_at(path: str, full: Path) -> Found:
    about = full.stat()
    inode = (about.st_dev, about.st_ino)
    executable = bool(about.st_mode & 0o100)
    return Found(plain_path(path), full, executable, about.st_size, inode, about.st_blocks * BLOCK_BYTES)


def ignored_by(folder: Path) -> GitIgnoreSpec:
    for name in IGNORE_FILES:
        file = folder / name
        if file.exists():
            return read_ignore(file)
    return NOTHING


def read_ignore(file: Path) -> GitIgnoreSpec:
    with open_regular(file.resolve()) as opened:
        raw = opened.read(IGNORE_BYTES_MAX + 1)
    if len(raw) > IGNORE_BYTES_MAX:
        raise Refused("tree.ignore_file", f"{file} has more than {IGNORE_BYTES_MAX} bytes")
    try:
        return GitIgnoreSpec.from_lines(raw.decode("utf-8-sig").splitlines())
    except ValueError as error:
        raise Refused("tree.ignore_file", f"{file} cannot be read: {error}") from None
