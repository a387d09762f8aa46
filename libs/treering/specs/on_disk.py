"""What lies at a path that somebody wrote. To ask raises nothing, whatever the path is."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from treering.kernel.file_kinds import kind_of

FILE, FOLDER = "a file", "a folder"
NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
CHARACTERS_SHOWN_MAX = 200


def real(path: Path) -> Path:
    """The path without links; one that leads round in a circle stays as it is (``resolve`` raises), and so does what
    no file can be called."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # half of a surrogate pair, say
        return path


def lies_at(path: Path) -> str:
    """``FILE``, ``FOLDER``, "" when nothing does, or in words why neither can be had from there."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "" if error.errno in NOTHING_THERE else f"cannot be looked at: {error.strerror}"
    except ValueError:  # half of a surrogate pair, say
        return ""
    if stat.S_ISREG(mode):
        return FILE
    return FOLDER if stat.S_ISDIR(mode) else f"is {kind_of(mode)}; only files and folders can be taken"


def misplaced(path: Path, written: str, folder: Path, wanted: str = "") -> str:
    """Why there is no ``wanted``, ``FILE`` or ``FOLDER`` or either of them, at a path; "" when there is one."""
    found = lies_at(path)
    if found in ((wanted,) if wanted else (FILE, FOLDER)):
        return ""
    shown = repr(written if len(written) <= CHARACTERS_SHOWN_MAX else written[:CHARACTERS_SHOWN_MAX] + "...")
    if not found:
        kind = wanted.removeprefix("a ") + " " if wanted else ""
        return f"there is no {kind}{shown}" + ("" if os.path.isabs(written) else f" in {str(folder)!r}")
    return f"{shown} is {found}; {wanted} is needed here" if found in (FILE, FOLDER) else f"{shown} {found}"
