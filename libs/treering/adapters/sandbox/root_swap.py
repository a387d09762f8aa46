"""Makes a command of root another user of the machine, who is still called root inside. Standard library only.

A job that stays user 0 outside reads every file of root that it sees, whatever powers are taken from it. So user 0 and
a user that owns nothing change places, by a user namespace in which all other users stay who they are
(user_namespaces(7)). bubblewrap still has root's powers there, so it finds what is to be shown wherever it lies; the
command has none of them. The paths that a command is given for itself are mounted with the same two users swapped
(mount_setattr(2), Linux 5.12), so that on the disk all remains root's. As a program this tries it:
``python -I -S root_swap.py UID FOLDER COMMAND...``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import struct
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise

JOB_UIDS = (1_879_049_192, 65_533)  # above those of ``own_user``; a container often has no more than 65,536
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_SLAVE, MS_REC = 1 << 19, 1 << 14
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442  # the same on every architecture
TREE_FLAGS = 1 | 0x8000 | os.O_CLOEXEC  # OPEN_TREE_CLONE, AT_RECURSIVE
MOUNT_ATTR_IDMAP, AT_EMPTY_PATH, AT_FDCWD = 0x00100000, 0x1000, -100
MOVE_FLAGS = 0x4 | 0x10  # MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_SYMLINKS
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
DEVICES = ("/dev/dri", "/dev/kfd", "/dev/infiniband")  # often open to a group only
libc = ctypes.CDLL(None, use_errno=True)


def prepare(uid: int, own: Iterable[str]) -> int:
    """Swap the users of the paths ``own`` in a view of the mounts that is this process's; the namespace, as a
    descriptor. A path on a file system that cannot do it stays as it is: the command is an ordinary user there.
    """
    namespace = swapped_namespace(uid)
    checked(libc.unshare(CLONE_NEWNS))
    checked(libc.mount(None, b"/", None, MS_SLAVE | MS_REC, None))
    for path in sorted(own, key=len, reverse=True):  # what lies inside another path first
        try:
            swap_mount(os.fsencode(path), namespace)
        except OSError:
            continue
    for output in (1, 2):
        os.fchown(output, uid, uid)  # else /dev/stderr could not be opened by its name
    os.setgroups(sorted(groups_of_devices()))
    return namespace


def enter(namespace: int, parent: int) -> None:
    """Be root inside. Nobody inside makes further user namespaces, in which powers could be had again."""
    checked(libc.setns(namespace, CLONE_NEWUSER))
    os.close(namespace)
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # a bubblewrap that is set-uid would be root outside again
    libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))  # the kernel forgets it when the user changes
    if os.getppid() != parent:
        os._exit(0)


def swapped_namespace(uid: int) -> int:
    """Made by a child, because only who is outside a user namespace may say who is who in it."""
    (ready_read, ready_write), (over_read, over_write) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(over_write)
        if libc.unshare(CLONE_NEWUSER) == 0:
            os.write(ready_write, b"r")
            os.read(over_read, 1)
        os._exit(0)
    os.close(ready_write)
    try:
        if not os.read(ready_read, 1):
            raise OSError("no user namespace can be made")
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/self/{name}") as ours, open(f"/proc/{child}/{name}", "w") as theirs:
                theirs.write(swapped(uid, ours.read()))
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for descriptor in (ready_read, over_read, over_write):
            os.close(descriptor)
        os.waitpid(child, 0)


def swapped(uid: int, ours: str) -> str:
    """The map in which 0 and ``uid`` change places, and all others of the map ``ours`` stay who they are."""
    lines = [f"0 {uid} 1", f"{uid} 0 1"]
    for line in ours.splitlines():
        first, _, count = map(int, line.split())
        cuts = sorted({first, first + count, *(cut for one in (0, uid) for cut in (one, one + 1))})
        for start, end in pairwise(cuts):
            if first <= start < first + count and start not in (0, uid):
                lines.append(f"{start} {start} {end - start}")
    return "".join(f"{line}\n" for line in lines)


def mapped_uid() -> int:
    """The first of JOB_UIDS that there is here; 0 when there is none."""
    with open("/proc/self/uid_map") as file:
        ranges = [(int(first), int(count)) for first, _, count in map(str.split, file)]
    there = [uid for uid in JOB_UIDS if any(first <= uid < first + count for first, count in ranges)]
    return there[0] if there else 0


def swap_mount(path: bytes, namespace: int) -> None:
    tree = checked(libc.syscall(OPEN_TREE, AT_FDCWD, path, ctypes.c_uint(TREE_FLAGS)))
    try:
        wanted = struct.pack("QQQQ", MOUNT_ATTR_IDMAP, 0, 0, namespace)
        checked(libc.syscall(MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, wanted, ctypes.c_size_t(len(wanted))))
        checked(libc.syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, path, MOVE_FLAGS))
    finally:
        os.close(tree)


def groups_of_devices() -> set[int]:
    """The groups that may use accelerators: root could, so its jobs still can. Never root's own group."""
    found = set()
    for place in DEVICES:
        names = os.listdir(place) if os.path.isdir(place) else [""]
        for name in names:
            try:
                facts = os.stat(os.path.join(place, name))
            except OSError:
                continue
            if stat.S_ISCHR(facts.st_mode) and facts.st_mode & stat.S_IRGRP:
                found.add(facts.st_gid)
    return found - {0}


def checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def main(words: Sequence[str]) -> None:
    """What ``prepare`` passes over in an attempt must work here: else the folders of jobs would not be theirs."""
    uid, folder, command = int(words[0]), words[1], list(words[2:])
    namespace = prepare(uid, [])
    try:
        swap_mount(os.fsencode(folder), namespace)
    except OSError as error:
        sys.exit(f"the file system of {folder} cannot swap users: {error.strerror}")
    enter(namespace, os.getppid())
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
