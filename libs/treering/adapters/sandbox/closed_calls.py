"""Keeps a command from system calls that lead around its namespaces, by a seccomp filter. Standard library only.

- Keys belong to a user id, whatever namespace a process is in: a job of the same user reads a key by its number, and
  /proc/keys lists the numbers. So the three calls of keyrings(7) are refused, as containers do.
- A socket of the family AF_VSOCK reaches the host of a virtual machine, one of AF_BLUETOOTH its radio, in every network
  namespace. So there are only the families that namespaces divide, and AF_ALG, which reaches nobody.
- io_uring makes sockets past this filter; programs go without it where a kernel has none.
- Process 1 of a sandbox is bubblewrap's and says how the command ended: the command may not trace or change it.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import NamedTuple

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data (seccomp(2)), little-endian
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO, to which the number is added
X32 = 0x40000000  # in the numbers of programs of the x32 kind, which hardly a kernel runs
FAMILIES = (1, 2, 10, 16, 38)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_ALG
FIRST_PROCESS = 1
SYS_SOCKET = 1  # what the old call socketcall does by this number, with a family that no filter can see


class Calls(NamedTuple):
    """The numbers of one architecture. ``of_processes``: those that take a process, with the place of its number."""

    keyrings: tuple[int, ...]
    of_processes: tuple[tuple[int, int], ...]
    open_by_handle_at: int  # it would open the process by a number that can be guessed
    socket: int
    socketcall: int | None = None


IO_URING_SETUP, PIDFD_OPEN = 425, 434  # the same everywhere
# By AUDIT_ARCH. Keyrings: add_key, request_key, keyctl. Processes: ptrace, process_vm_readv and writev, prlimit64.
CALLS = {
    0xC000003E: Calls((248, 249, 250), ((101, 1), (310, 0), (311, 0), (302, 0)), 304, 41),  # x86-64
    0x40000003: Calls((286, 287, 288), ((26, 1), (347, 0), (348, 0), (340, 0)), 342, 359, 102),  # i386, on the same
    0xC00000B7: Calls((217, 218, 219), ((117, 1), (270, 0), (271, 0), (261, 0)), 265, 198),  # aarch64
}
libc = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def close_calls() -> bool:
    """For this process and all that it starts. False where the kernel has no seccomp."""
    text = filter_program()
    buffer = ctypes.create_string_buffer(text, len(text))
    program = Program(len(text) // 8, ctypes.addressof(buffer))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return int(libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0)) == 0


def filter_program() -> bytes:
    """A block for each architecture, skipped as a whole by the others; then everything else is allowed."""
    found = [instruction(LOAD, ARCHITECTURE)]
    for architecture, calls in CALLS.items():
        block = block_of(calls)
        found += [instruction(EQUAL, architecture, if_false=len(block)), *block]
    return b"".join([*found, instruction(RETURN, ALLOW)])


def block_of(calls: Calls) -> list[bytes]:
    found = [instruction(LOAD, NUMBER), instruction(ANY_BIT, X32, if_false=1), refused(errno.ENOSYS)]
    for number in (*calls.keyrings, calls.open_by_handle_at):
        found += rule(number, [refused(errno.EPERM)])
    found += rule(IO_URING_SETUP, [refused(errno.ENOSYS)])
    for number, place in (*calls.of_processes, (PIDFD_OPEN, 0)):
        found += rule(number, unless(place, FIRST_PROCESS, errno.EPERM))
    if calls.socketcall is not None:
        found += rule(calls.socketcall, unless(0, SYS_SOCKET, errno.ENOSYS))
    return [*found, *rule(calls.socket, only_families()), instruction(RETURN, ALLOW)]


def rule(number: int, what: list[bytes]) -> list[bytes]:
    """``what`` ends in an answer, and is passed over for other calls."""
    return [instruction(EQUAL, number, if_false=len(what)), *what]


def unless(place: int, value: int, number: int) -> list[bytes]:
    """Refused when the argument at ``place`` is ``value``. The kernel takes these arguments as 32 bits too."""
    ask = [argument(place), instruction(EQUAL, value, if_false=1)]
    return [*ask, refused(number), instruction(RETURN, ALLOW)]


def only_families() -> list[bytes]:
    found = [argument(0)]
    for index, family in enumerate(FAMILIES):
        found.append(instruction(EQUAL, family, if_true=len(FAMILIES) - index))
    return [*found, refused(errno.EAFNOSUPPORT), instruction(RETURN, ALLOW)]


def argument(place: int) -> bytes:
    return instruction(LOAD, ARGUMENTS + 8 * place)


def refused(number: int) -> bytes:
    return instruction(RETURN, REFUSE + number)


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """``struct sock_filter``."""
    return struct.pack("<HBBI", code, if_true, if_false, value)
