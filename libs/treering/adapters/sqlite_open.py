"""Opens SQLite files, all of them: who else uses a file, and what a power cut may take, is decided here alone."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from treering.adapters import sqlite_pages
from treering.adapters.special_files import special_kind
from treering.adapters.sqlite_faults import CODE_MASK
from treering.adapters.sqlite_reading import ReadConnection

Synchronous = Literal["NORMAL", "FULL"]
MEMORY = ":memory:"
REFUSED_BESIDE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)
PATH_BYTES_MAX = 500  # SQLite's limit is 512; the checksums of pages end the process for a path that is longer
BUSY_SECONDS = 5.0  # how long a connection waits for another that writes


def require_openable(path: Path | str) -> None:
    """SQLite waits for ever for a FIFO, and a path that is too long ends the process. Raises sqlite3.DatabaseError,
    with the code of a file that is no database, and OSError."""
    if path == MEMORY:
        return
    if len(os.fsencode(Path(path).absolute())) > PATH_BYTES_MAX:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    if kind := special_kind(Path(path)):
        error = sqlite3.DatabaseError(f"it is {kind}, and a file is due")
        error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
        raise error


def open_alone(path: Path) -> sqlite3.Connection:
    """To write a file that no other connection uses meanwhile."""
    require_openable(path)
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def open_shared(path: Path | str, synchronous: Synchronous, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """To write a file, or MEMORY, that others read meanwhile. Makes the file when it is not there.

    With NORMAL a power cut may undo the last transactions, which whoever opens the file must be able to repeat.
    """
    require_openable(path)
    uri = MEMORY if path == MEMORY else Path(path).absolute().as_uri()  # ATTACH takes a URI only where this is one
    db = sqlite3.connect(uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    with closed_on_failure(db):
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {synchronous}")
    return db


def open_read_only(path: Path) -> ReadConnection:
    """To read a file that others may write meanwhile, with its pages checked."""
    require_openable(path)
    sqlite_pages.load()
    uri, like = read_only_uri(path), ReadConnection
    return sqlite3.connect(
        uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=like
    )


def open_to_look(path: Path) -> sqlite3.Connection:
    """To read a file once, also on a full disk; sqlite3.DatabaseError when it cannot be read at all.

    SQLite makes a file beside one with a write-ahead log to read it, which a full disk refuses. Where there is no such
    log nobody writes, and the file is read as it is.
    """
    try:
        return looked_into(open_read_only(path))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & CODE_MASK not in REFUSED_BESIDE or has_content(Path(f"{path}-wal")):
            raise
        uri = f"{path.absolute().as_uri()}?immutable=1"
        return looked_into(sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False))


def looked_into(db: sqlite3.Connection) -> sqlite3.Connection:
    with closed_on_failure(db):
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return db


def has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


@contextmanager
def closed_on_failure(db: sqlite3.Connection) -> Iterator[None]:
    """For a block that makes a new connection ready."""
    try:
        yield
    except BaseException:
        db.close()
        raise


def read_only_uri(path: Path) -> str:
    """What ATTACH takes."""
    return f"{path.absolute().as_uri()}?mode=ro"


def make_checked(path: Path | str) -> None:
    """Before ``path`` is opened: have its pages checked, and make a file that is not there yet with checksums."""
    require_openable(path)
    sqlite_pages.load()  # connections that were opened before do not check
    if path != MEMORY and not Path(path).exists():
        sqlite_pages.create(Path(path))


def lacks_checksums(db: sqlite3.Connection) -> bool:
    """Whether the file is one of an earlier release, whose pages are not checked although they could be."""
    return sqlite_pages.load() and not sqlite_pages.are_checked(db)


def remove_database(path: Path | str) -> None:
    """The file with what SQLite keeps beside it; nobody may have it open."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
