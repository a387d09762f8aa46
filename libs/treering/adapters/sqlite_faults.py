"""Tells a database that cannot be used just now from one that is damaged: only the second may be made again.

SQLite raises OperationalError for a full disk, a read-only one and a busy file as for a malformed schema; its result
codes (https://sqlite.org/rescode.html) tell them apart.
"""

from __future__ import annotations

import sqlite3

from treering.kernel.disk import CannotWrite

CODE_MASK = 0xFF  # the primary code of an extended one
# IOERR stands for a write, a sync or the shared memory that the file system refused (a quota, a file size limit):
# what is stored was not touched by it.
NOT_NOW = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    }
)
READS = frozenset(
    {
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
        sqlite3.SQLITE_IOERR_DATA,  # a page whose checksum differs, see sqlite_pages
    }
)
DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
SAID = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened (a full or read-only disk, or its permissions)",
    sqlite3.SQLITE_IOERR: "the disk refused it (it is full, a limit was met, or it fails)",
}


def not_now(error: Exception) -> bool:
    """Whether ``error`` says that the file cannot be used now, and nothing about what is in it."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & CODE_MASK in NOT_NOW and code not in READS


def is_damage(error: Exception) -> bool:
    """Whether ``error`` says that what stands in the file is not what was written."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code in READS or code & CODE_MASK in DAMAGE)


def said(error: Exception) -> str:
    """What is wrong with the file, for people."""
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_DATA:
        return "a page differs from its checksum: it was changed on the disk"
    return str(error)


def cannot_write(error: Exception, what: object) -> CannotWrite:
    code = getattr(error, "sqlite_errorcode", 0) & CODE_MASK
    return CannotWrite(f"{what}: {SAID.get(code, error)} ({error})")


def roll_back(db: sqlite3.Connection) -> None:
    """SQLite ends a transaction itself when the disk is full; to end it again would hide why."""
    if db.in_transaction:
        db.execute("ROLLBACK")
