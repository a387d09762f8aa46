"""Runs all checks of ``treering doctor`` where files cannot be opened or written, and prints what is found as JSON.

python -m tests.system.failing_doctor HOME {none,no_writes,no_descriptors,locked}
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path

from treering.adapters import sqlite_open
from treering.adapters.doctor import CHECKS, checked
from treering.config import Home


def no_writes(home: Home) -> None:
    """Like a full disk: every byte that would be added to a file is refused (EFBIG)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def no_descriptors(home: Home) -> None:
    with suppress(OSError):
        while True:
            os.dup(0)


def locked(home: Home) -> None:
    """Somebody else has each SQLite file for itself."""
    sqlite_open.BUSY_SECONDS = 0.01
    for path in home.root.rglob("*.db"):
        if path.parent.name == "msgs":
            continue
        db = sqlite_open.open_alone(path)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        held.append(db)


held: list[sqlite3.Connection] = []
FAILS = {"none": lambda home: None, "no_writes": no_writes, "no_descriptors": no_descriptors, "locked": locked}


def main(folder: str, how: str) -> None:
    home = Home(Path(folder))
    for check in CHECKS.values():  # what they import and remember is there before it fails
        list(checked("", check, home))
    FAILS[how](home)
    found = [(name, one) for name, check in CHECKS.items() for one in checked(name, check, home)]
    print(json.dumps([[name, one.state, one.found, one.advice] for name, one in found]))


main(*sys.argv[1:])
