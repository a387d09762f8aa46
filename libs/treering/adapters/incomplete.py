"""Resources that a view cannot show: an entry of theirs could not be applied, so it and all behind it are left out.

The view goes on without them. What it leaves out is a table in its own file, so that a view computed again leaves out
the same: whether an entry can be applied depends on that entry and those before it, never on the batch it came in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from treering.kernel.log import Entry
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, address_or_none, address_said

TABLE = """
CREATE TABLE IF NOT EXISTS incomplete (
  subject TEXT NOT NULL, stream TEXT NOT NULL, position INTEGER NOT NULL, why TEXT NOT NULL,
  PRIMARY KEY (subject, stream)
) WITHOUT ROWID;
"""
ANY_INCOMPLETE = "EXISTS (SELECT 1 FROM incomplete)"  # a column that saves a statement of its own; nearly always 0
LOG = "EVT"  # the stream of the commits
WHY_CHARACTERS_MAX = 300
LISTED_MAX = 1000
# What says that the file or the machine cannot go on; the same entry may be applied later, or to another file.
STORE_CODES = frozenset(
    {
        sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_NOTADB,
    }
)  # fmt: skip


class Incomplete(NamedTuple):
    """``subject`` is that of the resource; of a message that names none, ``<its subject>@<position>``."""

    subject: str
    stream: str
    position: int
    why: str

    @property
    def address(self) -> Address | None:
        return address_or_none(self.subject)

    @property
    def said(self) -> str:
        return address_said(self.subject)


class Unit(NamedTuple):
    """The smallest part of an entry that is applied or left out: what it says of one resource."""

    subject: str
    position: int
    value: Any


class Fold(NamedTuple):
    """How one stream becomes rows.

    ``values`` are what ``project`` takes of an entry (any exception: it cannot be read), ``units`` the same by
    resource. ``forget`` drops what was remembered of rows, because the transaction that wrote them was undone.
    """

    stream: str
    values: Callable[[Sequence[Entry]], Sequence[Any]]
    units: Callable[[Entry], Sequence[Unit]]
    project: Callable[[sqlite3.Connection, Sequence[Any]], None]
    forget: Callable[[], None]


def whole_entries(entries: Sequence[Entry]) -> Sequence[Entry]:
    return entries


def one_resource(entry: Entry) -> Sequence[Unit]:
    """Of the log: an entry is about the resource of its subject."""
    return (Unit(entry.subject, entry.position, entry),)


class Applying:
    """Applies the entries of one stream to one file, inside the transaction of the caller.

    A batch is applied at once; only when that fails is it undone and applied unit by unit.
    """

    def __init__(self, fold: Fold) -> None:
        self.fold = fold
        self.left_out: set[str] | None = None  # subjects; None: to be read from the file

    def apply(self, db: sqlite3.Connection, entries: Sequence[Entry]) -> bool:
        """True when a resource was set aside that was not before. Raises what is the store's fault."""
        left_out = self.known(db)
        try:
            fold = self.fold
            values = fold.values(entries) if not left_out else [unit.value for unit in self.wanted(entries, left_out)]
            fold.project(db, values)
            return False
        except Exception as error:
            if is_of_the_store(error):
                raise
        db.execute("ROLLBACK")
        db.execute("BEGIN IMMEDIATE")
        self.fold.forget()
        before = len(left_out)
        for entry in entries:
            self.apply_one(db, entry, left_out)
        return len(left_out) > before

    def known(self, db: sqlite3.Connection) -> set[str]:
        if self.left_out is None:
            found = db.execute("SELECT subject FROM incomplete WHERE stream = ?", (self.fold.stream,))
            self.left_out = {str(row[0]) for row in found}
        return self.left_out

    def undone(self) -> None:
        """The caller's transaction was rolled back."""
        self.left_out = None
        self.fold.forget()

    def wanted(self, entries: Iterable[Entry], left_out: set[str]) -> Iterator[Unit]:
        return (unit for entry in entries for unit in self.fold.units(entry) if as_text(unit.subject) not in left_out)

    def apply_one(self, db: sqlite3.Connection, entry: Entry, left_out: set[str]) -> None:
        try:
            units = self.fold.units(entry)
        except Exception as error:
            self.set_aside(db, Unit(f"{entry.subject}@{entry.position}", entry.position, entry), error, left_out)
            return
        for unit in units:
            if as_text(unit.subject) not in left_out:
                try:
                    with savepoint(db):
                        self.fold.project(db, [unit.value])
                except Exception as error:
                    if is_of_the_store(error):
                        raise
                    self.fold.forget()
                    self.set_aside(db, unit, error, left_out)

    def set_aside(self, db: sqlite3.Connection, unit: Unit, error: Exception, left_out: set[str]) -> None:
        row = Incomplete(as_text(unit.subject), self.fold.stream, unit.position, reason(error))
        db.execute("INSERT OR IGNORE INTO incomplete VALUES (?, ?, ?, ?)", row)
        left_out.add(row.subject)


@contextmanager
def savepoint(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("SAVEPOINT one")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # on a full disk SQLite may have ended it already
            db.execute("ROLLBACK TO one")
        raise
    finally:
        if db.in_transaction:
            db.execute("RELEASE one")


def is_of_the_store(error: Exception) -> bool:
    """Whether the file or the machine failed, and not what the entry says."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        no_table = "no such" in str(error) or "has no column" in str(error)  # the file is not of this view
        return no_table or (code is not None and code & 0xFF in STORE_CODES)
    return isinstance(error, OSError | MemoryError)


def as_text(subject: str) -> str:
    """A subject that is no UTF-8 in letters that a file can hold."""
    return subject if subject.isascii() else subject.encode(errors="backslashreplace").decode()


def reason(error: Exception) -> str:
    """In a sentence; the same for the same entry."""
    return as_text(f"{type(error).__name__}: {error}"[:WHY_CHARACTERS_MAX])


def require_complete(db: sqlite3.Connection, *addresses: Address) -> None:
    """``Refused("view.incomplete")`` when the view behind ``db`` left out an entry of one of these resources."""
    if db.execute("SELECT 1 FROM incomplete LIMIT 1").fetchone() is None:  # nearly always
        return
    for address in addresses:
        found = db.execute("SELECT * FROM incomplete WHERE subject = ?", (address.subject,)).fetchone()
        if found is not None:
            raise refused(Incomplete(*found))


def refused(row: Incomplete) -> Refused:
    where = f"position {row.position} of {'the log' if row.stream == LOG else f'the stream {row.stream}'}"
    return Refused(
        "view.incomplete",
        f"{row.said} cannot be shown: {where} cannot be applied to it ({row.why}). Everything else is served; "
        "`treering doctor` lists what is incomplete",
    )


def incomplete_rows(db: sqlite3.Connection, limit: int = LISTED_MAX) -> list[Incomplete]:
    """What the view behind ``db`` leaves out, in the order of the log."""
    found = db.execute("SELECT * FROM incomplete ORDER BY position, subject LIMIT ?", (limit,))
    return [Incomplete(*row) for row in found]


def position_reached(db: sqlite3.Connection, stream: str) -> int:
    """How far the view behind ``db`` has followed a stream."""
    if stream == LOG:
        found = db.execute("SELECT position FROM checkpoint").fetchone()
    else:
        found = db.execute("SELECT position FROM streams WHERE name = ?", (stream,)).fetchone()
    return int(found[0]) if found else 0


def incomplete_subjects(db: sqlite3.Connection) -> set[str]:
    return {str(subject) for (subject,) in db.execute("SELECT subject FROM incomplete")}


def is_complete(gone: set[str], *addresses: Address) -> bool:
    """Whether none of these resources is among the subjects ``gone``."""
    return not any(address.subject in gone for address in addresses)


def incomplete_keys(db: sqlite3.Connection, workspace: str, *kinds: str) -> set[str]:
    """The keys of the resources of these kinds that the view behind ``db`` leaves out: lists leave them out too."""
    return {
        address.key
        for subject in incomplete_subjects(db)
        if (address := address_or_none(subject)) is not None
        and address.workspace == workspace
        and address.kind in kinds
    }
