"""Finds the SQLite files of a home that have changed places, and those that are no databases at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path

from treering.adapters.findings import Fault
from treering.adapters.not_checked import why_not
from treering.adapters.read_only import UNREADABLE
from treering.adapters.sqlite_faults import said
from treering.adapters.sqlite_kinds import DELIVERIES, KINDS, LOG, POINTS, UNKNOWN, Kind, kind_of
from treering.adapters.sqlite_open import open_to_look
from treering.config import Home

SWAPPED = "home.swapped"


def kind_at(path: Path) -> Kind | None:
    """What the file at ``path`` should be."""
    name = path.as_posix()
    return next((one for one in KINDS if fnmatchcase(name, f"*/{one.where}")), None)


def databases(home: Home) -> Iterator[Path]:
    for one in (LOG, POINTS, DELIVERIES):
        yield home.root / one.where
    yield from sorted((home.root / "views").glob("*/*.db"))


def misplaced(home: Home) -> Iterator[Fault]:
    """The SQLite files that are not what their names say, or no databases at all; one that cannot be read now is left
    to whoever needs it."""
    for path in databases(home):
        due = kind_at(path)
        if due is None or not path.is_file() or not path.stat().st_size:
            continue
        try:
            with closing(open_to_look(path)) as db:
                found = kind_of(db)
        except UNREADABLE as error:
            if not why_not(error):
                yield Fault(path, f"{path} cannot be read: {said(error)}", due.mends, "home.damaged", due.kept)
            continue
        if found not in (None, due):
            yield changed_places(path, due, found or UNKNOWN)


def is_misplaced(path: Path) -> bool:
    """Whether another file stands there: nothing is to be said of what is in it. Raises what UNREADABLE has."""
    with closing(open_to_look(path)) as db:
        return kind_of(db) not in (None, kind_at(path))


def changed_places(path: Path, due: Kind, found: Kind) -> Fault:
    where = f" ({found.where})" if found.where else ""
    if not due.kept and not found.kept:
        mends = due.mends
    else:
        mends = f"stop treering and put each file back in its place; where the right one is lost: {due.mends}"
    told = f"{path} is not {due.what}, but {found.what}{where}"
    return Fault(path, told, mends, SWAPPED, due.kept or found.kept)
