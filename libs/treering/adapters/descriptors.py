"""How many files and sockets a process may have open: raised for ours, given back to jobs. Standard library only.

Every process begins with a soft limit that it may raise up to the hard one. Ours raise it, because each connection of
a client is a descriptor. A job gets the limit that treering was started with: a program that uses ``select()``, or
closes every descriptor there may be, works badly with a large one.
"""

from __future__ import annotations

import errno
import os
import resource

SOFT_VARIABLE = "TREERING_SOFT_DESCRIPTORS"  # what the first of our processes began with; its children read it
DESCRIPTORS_MAX = 1 << 20  # in place of "no limit", which the kernel does not take
SQLITE_CANTOPEN = 14  # SQLite does not say why; the module sqlite3 takes long to load for a spawner
NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})


def raise_limit() -> None:
    """Raise the soft limit to the hard one; safe to say again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.environ.setdefault(SOFT_VARIABLE, str(soft))
    most = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # more than this kernel gives to anybody: it stays as it is
        return


def hard_limit() -> int:
    """How many descriptors a process may raise its limit to."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else hard


def give_back_limit() -> None:
    """In a child that is about to become a job: the soft limit is again what it was before ``raise_limit``."""
    soft, hard = os.environ.get(SOFT_VARIABLE, ""), resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(soft), hard))
    except (OSError, ValueError):
        return


def out_of_descriptors(error: BaseException) -> bool:
    """Whether something failed because the process, or the machine, can open no more files."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == SQLITE_CANTOPEN:
        return not spare_descriptor()
    return isinstance(error, OSError) and error.errno in NO_DESCRIPTOR


def spare_descriptor() -> bool:
    """Whether a file can be opened now."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    return True
