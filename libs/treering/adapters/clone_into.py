"""Fork a child straight into a cgroup of v2: clone3 with CLONE_INTO_CGROUP, which Python does not offer.

Only for a process with one thread, and a child that soon execs: nothing that os.fork repairs in a child (threads,
locks of other threads) is repaired here. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal

CLONE_INTO_CGROUP = 0x200000000
SYS_CLONE3 = 435  # The same on every architecture.
# PyDLL keeps the interpreter's lock over the call, so that parent and child both return holding it.
libc = ctypes.PyDLL(None, use_errno=True)


class CloneArgs(ctypes.Structure):
    """``struct clone_args`` of linux/sched.h, up to the field that says where the child is born."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls",
            "set_tid", "set_tid_size", "cgroup",
        )
    )  # fmt: skip


def clone_into(folder: str) -> int:
    """As os.fork: 0 in the child, its process id in the parent. OSError where the kernel refuses."""
    cgroup = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        args = CloneArgs(flags=CLONE_INTO_CGROUP, exit_signal=signal.SIGCHLD, cgroup=cgroup)
        pid = int(libc.syscall(SYS_CLONE3, ctypes.byref(args), ctypes.c_size_t(ctypes.sizeof(args))))
    finally:
        os.close(cgroup)
    if pid < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return pid
