"""Is all of a home there, and may it be written to? Asked before a start makes folders that are missing.

A start makes the folders of a new home. Of a home that has run before, an empty ``blobs`` in the place of one that was
removed, or not mounted, would be taken for it.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from pathlib import Path

from treering.adapters.checkpoints import CHECKPOINT_FILE
from treering.adapters.findings import Fault
from treering.adapters.log_copy import FILE_NAME
from treering.adapters.points_copy import POINTS_FILE
from treering.adapters.read_only import position_of
from treering.adapters.sums import noted
from treering.config import Home

# ``Home.create`` makes these last: where one is, the others were.
MADE_LAST = ("envs", "views", "up.lock")
MENDS = {
    "keys": "put it back from the backup of the keys (treering restore)",
    "blobs": "mount it, or put it back from a backup; to go on without its content, make an empty folder there "
    "(then `treering blob verify` names what is missing)",
    "copy": "`treering log recopy` makes it again from the log, or put it back from a backup",
}


# Files below ``copy`` that a home has since its first checkpoint was signed. A start goes on without them.
SIGNED_MENDS = {
    CHECKPOINT_FILE: "until the next one is signed only the witnesses can tell a log that was set back; put it back "
    "from a backup, or compare with a checkpoint that somebody kept (treering log consistency --from)",
    FILE_NAME: "the monitor makes the second copy again from the log, and compares it with what was signed",
    POINTS_FILE: "the monitor makes it again from the stream, and compares it with what the log says of it",
}
DELIVERIES_MENDS = (
    "webhooks are told again from where each began, and what none would take is forgotten; put it back from a backup "
    "before treering starts to go on where they were"
)


def missing_parts(home: Home, *, with_log: bool) -> list[Fault]:
    """The folders that a home which has run must have and has not; none of a new home.

    ``with_log``: also the store of its own nats-server. One of a cluster gets its part of the log from the others.
    """
    if not any((home.root / name).exists() for name in MADE_LAST):
        return []
    found = [gone(home.root / name, mends) for name, mends in MENDS.items() if not (home.root / name).exists()]
    store = home.nats / "store"
    if with_log and not store.exists() and (commits := copied(home)):
        mends = f"`treering log restore` writes the log again from its second copy, which holds {commits:,} commits"
        found.append(gone(store, f"mount it or put it back, or {mends}"))
    return found


def gone(path: Path, mends: str, *, fatal: bool = True) -> Fault:
    return Fault(path, f"{path} is gone", mends, "home.incomplete", fatal)


def missing_files(home: Home) -> list[Fault]:
    """The files that are gone although something was signed here: those of the second copy, and of the notifier."""
    if not home.copy.is_dir() or not noted(home.copy / CHECKPOINT_FILE):
        return []
    paths = [(home.copy / name, mends) for name, mends in SIGNED_MENDS.items()]
    if home.deliveries.parent.exists() or (home.root / "up.lock").exists():  # else its notifier is somewhere else
        paths.append((home.deliveries, DELIVERIES_MENDS))
    return [gone(path, mends, fatal=False) for path, mends in paths if not path.exists()]


def copied(home: Home) -> int:
    path = home.copy / FILE_NAME
    try:
        return (position_of(path, "commits") or 0) if path.exists() else 0
    except sqlite3.DatabaseError:
        return 0  # the copy's own fault, named by others


def read_only_faults(home: Home) -> list[Fault]:
    """What cannot be written to at all: that is no damage."""
    said, _, mends = read_only(home).partition(": ")
    return [Fault(home.root, said, mends, "home.read_only")] if said else []


def read_only(home: Home) -> str:
    """Why nothing can be written below the home; "" when it can, or when the disk is only full."""
    for folder in (home.root, home.copy, home.nats, home.blobs, home.root / "views"):
        if not folder.is_dir():
            continue
        probe = folder / f".probe-{secrets.token_hex(8)}"
        try:
            os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            probe.unlink()
        except OSError as error:
            if error.errno == errno.EROFS:
                return f"{folder} is on a file system that is read-only: mount it for writing and start again"
            if error.errno in (errno.EACCES, errno.EPERM):
                owner = folder.stat().st_uid
                return f"{folder} may not be written by this user (uid {os.geteuid()}): it is of uid {owner}"
    return ""
