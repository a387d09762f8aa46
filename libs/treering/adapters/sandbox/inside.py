"""What a forked child does about its sandbox before it becomes the command. Standard library only."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Sequence

from treering.adapters.sandbox.closed_calls import filter_program

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446  # the same on every architecture
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1, 2
libc = ctypes.CDLL(None)
prctl = libc.prctl


def hand_over(arguments: Sequence[str], errors: int) -> None:
    """Put the sandbox's arguments and the filter of system calls into the next two free descriptors, and let it report
    on ``errors``.

    The arguments are not on the command line, because that is open to every process of the machine and they hold the
    job's variables. The filter is for a sandbox that cannot be started under it.
    """
    give("arguments", b"".join(os.fsencode(argument) + b"\0" for argument in arguments))
    if "--seccomp" in arguments:
        give("filter", filter_program())
    os.set_inheritable(errors, True)


def give(name: str, data: bytes) -> None:
    file = os.memfd_create(name)
    with open(os.dup(file), "wb") as out:
        out.write(data)
    os.lseek(file, 0, os.SEEK_SET)
    os.set_inheritable(file, True)


def become_user(uid: int) -> None:
    """Be that user and group, with no others and no powers, and never get any back by a set-uid program."""
    for output in (1, 2):
        os.fchown(output, uid, uid)  # else /dev/stderr could not be opened by its name
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))  # the kernel forgets it when the user changes
    os.umask(0o077)


def scope() -> None:
    """Keep the command from signalling, and from abstract sockets of, processes outside; nothing where the kernel is
    too old. A shared network has all abstract sockets of the machine in it, whatever files a command sees.

    Landlock with its two scopes and without rules (landlock(7), ABI 6, Linux 6.12).
    """
    ruleset = struct.pack("QQQ", 0, 0, SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL)
    given = ctypes.create_string_buffer(ruleset, len(ruleset))
    found = libc.syscall(LANDLOCK_CREATE_RULESET, given, ctypes.c_size_t(len(ruleset)), 0)
    if found < 0:
        return
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.syscall(LANDLOCK_RESTRICT_SELF, found, 0)
    os.close(found)
