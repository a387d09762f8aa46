"""A network namespace in which only the gateway can be reached. Runs in a forked child; standard library only.

The child makes the namespace before it becomes the sandbox, opens a listening socket in it at the gateway's usual
address, and sends that socket to the executor, which stays outside and relays what connects (see ``gateway_relay``).
A socket belongs for ever to the namespace it was made in, so nothing of ours has to run inside.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFADDR, SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8916, 0x8913, 0x8914  # netdevice(7)
IFF_UP = 1
BACKLOG = 64
libc = ctypes.CDLL(None, use_errno=True)


def enter(channel: int, address: str, port: int) -> None:
    """Move this process into a network of its own and send its listening socket by ``channel``. OSError."""
    unshare_network()
    bring_up("lo")
    with socket.socket(fileno=os.dup(channel)) as way:
        if port:
            with listener(address, port) as listening:
                socket.send_fds(way, [b"l"], [listening.fileno()])


def unshare_network() -> None:
    """Root makes it directly; an ordinary user in a user namespace of its own, where it stays who it is."""
    if libc.unshare(CLONE_NEWNET) == 0:
        return
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{uid} {uid} 1")
    write("/proc/self/gid_map", f"{gid} {gid} 1")


def bring_up(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        asked = struct.pack("16sh22x", name.encode(), 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(control, SIOCGIFFLAGS, asked), 16)
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh22x", name.encode(), flags | IFF_UP))


def listener(address: str, port: int) -> socket.socket:
    """At ``address``, which the loopback is given too where it is none of its own."""
    if ":" in address:
        return socket.create_server((address, port), family=socket.AF_INET6, backlog=BACKLOG)
    if not address.startswith("127."):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            packed = struct.pack("16sHH4s8x8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, SIOCSIFADDR, packed)
    return socket.create_server((address, port), backlog=BACKLOG)


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
