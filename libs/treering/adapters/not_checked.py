"""Tells a file that could not be looked at from one that is damaged: only of the second is it known what to do."""

from __future__ import annotations

import errno
import sqlite3

from treering.adapters.findings import Finding, warning
from treering.adapters.sqlite_faults import cannot_write, not_now
from treering.kernel.disk import REASONS, CannotWrite
from treering.kernel.refusal import os_words

# Each says that the machine or its user could not be served, and nothing about what a file holds.
NOT_NOW = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE,
        errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ENOMEM, errno.ETXTBSY, errno.ETIMEDOUT, errno.ESTALE,
    }
)  # fmt: skip
ADVICE = "nothing is known to be wrong with it: make room, or let this user read it, and run `treering doctor` again"


def why_not(error: BaseException) -> str:
    """Why a check could not be made; "" when ``error`` says something about the file itself."""
    if isinstance(error, CannotWrite):
        return str(error)
    if isinstance(error, OSError) and error.errno in NOT_NOW:
        said = REASONS.get(error.errno, ("", ""))[1].partition(";")[0]
        return os_words(error) if error.filename or not said else said
    if isinstance(error, sqlite3.DatabaseError) and not_now(error):
        return str(cannot_write(error, "SQLite")).removeprefix("SQLite: ")
    return ""


def unchecked(check: str, what: object, why: str) -> Finding:
    """The finding for what could not be looked at."""
    return warning(check, f"{what}: not checked, because {why}", ADVICE)
