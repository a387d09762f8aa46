"""Finds what is neither a file nor a folder in a home: whoever opens a FIFO waits for ever, and a device has no end.

Not looked at are the folders of jobs and environments, which may hold sockets, and the blobs, each of which is looked
at when it is opened (``regular_files``).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from treering.adapters.home_files import Row, row_of
from treering.config import Home
from treering.kernel.file_kinds import kind_of
from treering.kernel.refusal import Refused

LOOKED_THROUGH = ("keys", "copy", "nats", "nats/store", "notifier", "views", "sums")  # each may be a link to a folder
MENDS = {
    "secret": "move it away and put the file back from a backup of the keys",
    "sealing": "move it away and put the file back from a backup of the keys",
    "log": "move it away; then `treering log restore` mends the store of the log, and `treering log recopy` a copy",
}
MOVE = "move it away; what treering needs there it makes again"


def special_files(home: Home) -> dict[Path, str]:
    """What each is, by its path; symbolic links count as what they lead to."""
    kinds = {path: special_kind(path) for path in entries(home)}
    return {path: kind for path, kind in sorted(kinds.items()) if kind}


def entries(home: Home) -> Iterator[Path]:
    for folder in (home.root, *(home.root / name for name in LOOKED_THROUGH)):
        for parent, folders, files in os.walk(folder):
            yield from (Path(parent, name) for name in files)
            if folder == home.root:
                folders.clear()


def special_kind(path: Path) -> str:
    """What stands at ``path`` when that is neither a file nor a folder; "" for these, and for nothing."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""  # whoever needs the file says why it cannot be read
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else kind_of(mode)


def mends(row: Row | None) -> str:
    return MENDS.get(row.care, MOVE) if row else MOVE


def said_of_special(home: Home) -> list[tuple[Path, str, str]]:
    """The path, what is wrong with it, and what to do."""
    found = []
    for path, kind in special_files(home).items():
        row = row_of(path.relative_to(home.root).as_posix())
        due = f" ({row.what})" if row else ""
        found.append((path, f"{path} is {kind}, and a file is due{due}", mends(row)))
    return found


def refuse_special(root: Path) -> None:
    """Before anything below a home is opened; ``Refused("home.damaged")`` names all that would never answer."""
    if found := said_of_special(Home(root)):
        raise Refused("home.damaged", "; ".join(f"{said}: {advice}" for _, said, advice in found))
