"""Says whether the second copies can be believed, once for all checks that read them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from treering.adapters.log_copy import FILE_NAME
from treering.adapters.not_checked import why_not
from treering.adapters.points_copy import POINTS_FILE
from treering.adapters.read_only import UNREADABLE, unsound
from treering.adapters.sqlite_faults import said
from treering.config import Home

CHECK_SECONDS_MAX = 10.0
State = tuple[int, int, int]


def copy_fault(path: Path) -> str:
    """What is wrong with the file of a second copy; "" when nothing is, or it is not there.

    Raises what ``not_checked.why_not`` words when it cannot be looked at now.
    """
    if not path.exists():
        return ""
    return fault_in(path, (state_of(path), state_of(Path(f"{path}-wal"))))


@lru_cache(maxsize=8)
def fault_in(path: Path, state: tuple[State, State]) -> str:
    """Looked at once for each ``state`` of the file: a large one takes CHECK_SECONDS_MAX."""
    try:
        return unsound(path, CHECK_SECONDS_MAX)
    except UNREADABLE as error:
        if why_not(error):
            raise
        return f"it cannot be read: {said(error)}"


def state_of(path: Path) -> State:
    try:
        about = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (about.st_ino, about.st_size, about.st_mtime_ns)


def copies_fault(home: Home) -> str:
    """The first copy that cannot be believed, with what is wrong with it."""
    for path in (home.copy / FILE_NAME, home.copy / POINTS_FILE):
        if fault := copy_fault(path):
            return f"{path}: {fault}"
    return ""
