"""Lists what of a folder belongs to a tree: of data all, of code what its ignore file does not name.

For code, ``.amlignore`` is read, or ``.gitignore`` when there is no ``.amlignore``, at the top of the folder only. As
with Azure ML, and unlike with git, a later ``!pattern`` takes a file back in from a folder that is ignored: ``*`` and
``!*.py`` are the Python files of all folders.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from treering.adapters.gaps import LeaveOut, refuse
from treering.adapters.links_within import within
from treering.adapters.regular_files import open_regular, require_regular
from treering.adapters.tree_walk import FILES_MAX, Bounds, entries, readable, shown
from treering.kernel.file_kinds import kind_of
from treering.kernel.meter import begin, tick
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath

IGNORE_FILES = (".amlignore", ".gitignore")
IGNORE_BYTES_MAX = 256 * 1024
BLOCK_BYTES = 512  # what st_blocks counts
SKIPPED_IN_CODE = frozenset({".git", "__pycache__"})
NOTHING = GitIgnoreSpec.from_lines([])


class Found(NamedTuple):
    path: str  # relative to the folder, with "/"
    full: Path
    executable: bool
    size_bytes: int
    inode: tuple[int, int]  # a file with several names has one
    disk_bytes: int  # less than its size where it has holes


class Listing(NamedTuple):
    """Both sorted by path; ``folders`` are those in which nothing is: the others follow from the files."""

    files: list[Found]
    folders: list[str]


class Taking(NamedTuple):
    """What is taken. ``spec``: what an ignore file leaves out; None for data, which is taken whole."""

    bounds: Bounds
    spec: GitIgnoreSpec | None
    leave_out: LeaveOut

    @property
    def advice(self) -> str:
        return advice(self.spec is not None)

    def skips(self, name: str, said: str, is_walked: bool = False) -> bool:
        """Whether an entry is left out; of a folder that would be walked, whether all in it is."""
        return self.spec is not None and (name in SKIPPED_IN_CODE or ignores(self.spec, said, is_walked))


def ignores(spec: GitIgnoreSpec, said: str, is_walked: bool) -> bool:
    """The last pattern that matches decides. An ignored folder is walked if a later pattern may take files back in."""
    ignored = takes_back = False
    for pattern in spec.patterns:
        if pattern.include is None:  # a comment
            continue
        if pattern.match_file(said) is not None:
            ignored, takes_back = pattern.include, False
        elif not pattern.include:
            takes_back = True
    return ignored and not (is_walked and takes_back)


def scan(folder: Path, ignore: bool = True, leave_out: LeaveOut = refuse, entries_max: int = FILES_MAX) -> Listing:
    """The files below ``folder``, and its empty folders; of a file, itself. ``ignore``: it is code.

    Links are followed when they stay inside. ``leave_out`` is told ``tree.symlink``, ``tree.special_file``,
    ``tree.too_many_files``, ``path.unsafe``, and what ``entries`` raises. Raises ``Refused``: ``tree.absent``,
    ``tree.ignore_file``.
    """
    root = folder.resolve()
    if root.is_file():
        return Listing([found_at(folder.name, root)], [])
    if root.exists() and not root.is_dir():
        require_regular(folder, root.stat().st_mode)
    if not root.is_dir():
        raise Refused("tree.absent", f"there is no folder {str(folder)!r}")
    taking = Taking(Bounds(f"the folder {root.name!r}"), ignored_by(root) if ignore else None, leave_out)
    listing = Listing([], [])
    begin(0, "files found")
    try:
        for one in walk(taking, root, "", (root,)):
            tick(1)
            if len(listing.files) + len(listing.folders) >= entries_max:
                why = f"{str(folder)!r} has more than {entries_max} files and empty folders"
                refused = Refused("tree.too_many_files", f"{why}; for what is not needed: {taking.advice}")
                leave_out(one if isinstance(one, str) else one.path, refused)
            elif isinstance(one, str):
                listing.folders.append(one)
            else:
                listing.files.append(one)
    except Refused as refused:
        leave_out("", refused)
    return Listing(sorted(listing.files), sorted(listing.folders))


def advice(ignore: bool) -> str:
    """What to do about a file that cannot be taken; an ignore file is not read where data is taken whole."""
    return "name it in .amlignore" if ignore else "remove it"


def walk(taking: Taking, folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[Found | str]:
    """Files, and the paths of empty folders. ``above`` are the real folders from the root down to here: a link to one
    of them would never end."""
    is_empty = True
    for entry in entries(taking.bounds, str(folder), prefix, len(above) - 1):
        path = prefix + entry.name
        if taking.spec is not None:
            is_empty = False  # what is ignored is not taken, and neither is a folder of nothing else
        try:
            for one in taken(taking, entry, path, above):
                is_empty = False
                yield one
        except Refused as refused:
            taking.leave_out(path, refused)
    if is_empty and prefix:
        yield plain_path(prefix)


def taken(taking: Taking, entry: os.DirEntry[str], path: str, above: tuple[Path, ...]) -> Iterator[Found | str]:
    """What an entry comes to: a file, or what is below a folder, or nothing where it is skipped."""
    full, refused = Path(entry.path), None
    if entry.is_symlink():
        try:
            full = followed(full, path, above, taking.advice)
        except Refused as refusal:
            refused = refusal  # unless it is ignored
    is_folder = refused is None and os.path.isdir(full)
    if taking.skips(entry.name, path + "/" if is_folder else path, is_folder):
        return
    if refused is not None:
        if not taking.skips(entry.name, path + "/"):
            raise refused
    elif is_folder:
        yield from walk(taking, full, path + "/", (*above, full))
    else:
        with readable(path, taking.bounds.top):
            mode = os.lstat(full).st_mode
            if not stat.S_ISREG(mode):
                what = f"{shown(path)} is {kind_of(mode)}, not a file or a folder"
                raise Refused("tree.special_file", f"{what}; {taking.advice}")
            one = found_at(path, full)
        yield one


def followed(link: Path, path: str, above: tuple[Path, ...], advice: str) -> Path:
    """Where a symbolic link leads, which is a file or folder of the same tree. A refusal has the link's own text only:
    where that leads outside the tree is nobody's to know."""
    try:
        target = within(above[0], link)
    except OSError:
        raise Refused("tree.symlink", f"the symbolic link {shown(path)} leads nowhere; mend it, or {advice}") from None
    if target is None:
        text = shown(os.readlink(link))
        message = f"the symbolic link {shown(path)} leads out of the folder: it says {text}; copy what it needs in"
        raise Refused("tree.symlink", message)
    if target in above:
        raise Refused("tree.symlink", f"the symbolic link {shown(path)} leads to a folder that contains it")
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
