"""Is what should be a folder of a home one, and what should be a file a file? Taken from the list of its files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from treering.adapters.findings import Fault
from treering.adapters.home_files import FILES, Row
from treering.adapters.special_files import entries, said_of_special
from treering.adapters.sums import FOLDER
from treering.config import Home

WILD = "*?["
CARES_FOR = {"secret": "put it back from a backup of the keys", "sealing": "put it back from a backup of the keys"}
MOVE = "move it away; what treering needs there it makes again"
KEPT = ("keys", "blobs", "copy", "nats", "nats/store", "notifier")  # whose content is not made again
PUT_BACK = "move it away and put the folder back, from where it was or from a backup"
KEPT_BELOW = "blobs/sha256/"
DEPTHS = ("views/*", f"{KEPT_BELOW}??")  # folders whose names stand in no pattern
# SQLite takes paths of 512 bytes, and its checksums (sqlite_pages) end the process for longer ones. What stands below
# a home, the doctor's scratch folder included, needs less than 100.
HOME_BYTES_MAX = 400


def form_faults(home: Home) -> Iterator[Fault]:
    """What stands where something of the other form is due; symbolic links count as what they lead to."""
    if home.root.exists() and not home.root.is_dir():
        yield Fault(home.root, f"{home.root} is a file, but a home is a folder", "name another --home")
        return
    if (size := len(os.fsencode(home.root))) > HOME_BYTES_MAX:
        said = f"the path {home.root} has {size} bytes, and that of a home has at most {HOME_BYTES_MAX}"
        yield Fault(home.root, said, "name another --home", "home.path_too_long")
        return
    for name in folders():
        for path in found(home, name):
            if not path.is_dir():
                mends = PUT_BACK if name in KEPT or name.startswith(KEPT_BELOW) else MOVE
                yield Fault(path, f"{path} is a file, and a folder is due", mends)
    for row in FILES:
        for path in found(home, row.pattern) if is_file(row) else ():
            if path.is_dir():
                mends = CARES_FOR.get(row.care, MOVE)
                yield Fault(path, f"{path} is a folder, and a file is due ({row.what})", mends)
    for path, said, mends in said_of_special(home):
        yield Fault(path, said, mends)
    yield from lost_links(home)
    yield from notes_of_other_form(home)


def lost_links(home: Home) -> Iterator[Fault]:
    """Symbolic links that lead to nothing: to make something new in the place of what is not mounted would hide it.

    Not those inside the server's store: what it stages in memory is gone after a loss of power, and needed by nobody.
    """
    for path in sorted({*entries(home), *(home.root / name for name in folders() if not is_wild(name))}):
        staged = home.nats / "store" in path.parents
        if path.is_symlink() and not path.exists() and not path.name.startswith(".") and not staged:
            said = f"{path} is a link to {os.readlink(path)}, and nothing is there"
            yield Fault(path, said, "mount or put back what it leads to, or remove the link", "home.incomplete")


def notes_of_other_form(home: Home) -> Iterator[Fault]:
    """A note of a file is a file, and those of a folder are in a folder."""
    notes = home.root / FOLDER
    for note in sorted(notes.rglob("*")) if notes.is_dir() else ():
        of = home.root / note.relative_to(notes)
        if of.exists() and note.exists() and of.is_dir() != note.is_dir():
            due = "file, and a folder is due" if of.is_dir() else "folder, and a file is due"
            yield Fault(note, f"{note} is a {due} (what is noted of {of})", MOVE)


def folders() -> list[str]:
    """The folders that the patterns of the list name, in order."""
    names = set(DEPTHS)
    for row in FILES:
        for parent in PurePosixPath(row.pattern.removesuffix(".*")).parents:
            if parent.name and not is_wild(str(parent)):
                names.add(str(parent))
    return sorted(names)


def is_file(row: Row) -> bool:
    """Whether the pattern is of one file, or of those with one ending in one folder."""
    return (not row.pattern.endswith("*") and not row.pattern.startswith("*")) or row.pattern.endswith(".db*")


def found(home: Home, pattern: str) -> list[Path]:
    """What is there under a pattern, whose stars stand for no slash here; nothing below what is no folder."""
    if not is_wild(pattern):
        path = home.root / pattern
        return [path] if path.exists() and path.parent.is_dir() else []
    try:
        return sorted(path for path in home.root.glob(pattern) if not path.name.startswith("."))
    except OSError:
        return []


def is_wild(pattern: str) -> bool:
    return any(letter in pattern for letter in WILD)
