"""What an installation keeps: the second copy and the views, as files; alike whether treering runs or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from treering.adapters.findings import Finding, ok, warning, wrong
from treering.adapters.log_check import read_alarm
from treering.adapters.log_copy import FILE_NAME
from treering.adapters.names import proven_names
from treering.adapters.read_only import position_of, unsound
from treering.config import Home

LAG_MAX = 1000
CHECK_SECONDS_MAX = 10.0


def installation(home: Home) -> Iterator[Finding]:
    if not home.root.exists():
        yield warning(
            "home", f"{home.root} does not exist", "start treering there (treering up), or name another --home"
        )
    elif (home.root / "up.lock").exists() or home.nats.exists():
        yield ok("home", str(home.root))
    else:
        yield warning("home", f"nothing has run in {home.root} yet", "start treering there (treering up)")


def copy(home: Home) -> Iterator[Finding]:
    """The second copy: there, sound, and no alarm of an earlier comparison."""
    path = home.copy / FILE_NAME
    if not path.exists():
        if (home.nats / "store").exists():
            yield wrong("copy", f"there is no second copy at {path}", "start the monitor: it makes one from the log")
        return
    advice = "stop treering, then `treering log recopy`: it makes the copy again from a log that is what was signed"
    try:
        position = position_of(path, "commits")
        if fault := unsound(path, CHECK_SECONDS_MAX):
            yield wrong("copy", f"{path}: {fault}", advice)
        else:
            yield ok("copy", f"{position or 0:,} commits, the file is sound; `treering log verify` compares every byte")
    except sqlite3.DatabaseError as error:
        yield wrong("copy", f"{path} cannot be read: {error}", advice)
    if alarm := read_alarm(home.copy):
        yield wrong("log", alarm, "stop treering, then `treering log verify` and `treering log restore`")


def names(home: Home) -> Iterator[Finding]:
    """People's names are those that the log was told."""
    found = proven_names(home)
    for why in found.wrong:
        advice = (
            "put the file back from a backup, or say the name again with `treering credential rename`, for all to see"
        )
        yield wrong("names", why, advice)
    if found.names and not found.wrong:
        yield ok("names", f"{len(found.names)} of people, each as the log was told")


def views(home: Home) -> Iterator[Finding]:
    """Every view file: sound, and near the end of the second copy. A bad one costs its rebuild and nothing else."""
    head = copied(home.copy / FILE_NAME)
    for path in sorted((home.root / "views").glob("*/*.db")):
        name = f"{path.parent.name}/{path.stem}"
        advice = f"stop treering and delete {path}: it is computed again"
        try:
            position = position_of(path, "checkpoint")
            fault = unsound(path, CHECK_SECONDS_MAX)
        except sqlite3.DatabaseError as error:
            position, fault = None, str(error)
        if fault:
            yield wrong("views", f"{name}: {fault}", advice)
        elif position is None or head is None:
            yield ok("views", f"{name} is sound")
        elif position > head + LAG_MAX:
            yield wrong(
                "views", f"{name} is at {position:,}, and the second copy ends at {head:,}", "treering log verify"
            )
        elif head - position > LAG_MAX:
            advice = "it catches up while its service runs; a file that stays behind belongs to a service that does not"
            yield warning("views", f"{name} is {head - position:,} positions behind", advice)
        else:
            yield ok("views", f"{name} at position {position:,}")


def copied(path: Path) -> int | None:
    try:
        return position_of(path, "commits") if path.exists() else None
    except sqlite3.DatabaseError:
        return None
