"""Closes ports of this machine's loopback to all commands of a node: no job has any business with NATS.

And the services that tell whoever asks on a virtual machine its credentials in the cloud (``cloud_metadata``).

A small BPF program at the node's cgroup is asked at every connect(2) of a process in it (bpf(2),
BPF_PROG_TYPE_CGROUP_SOCK_ADDR, Linux 4.17). It needs root and cgroup v2, but no program such as nft, and goes with the
cgroup; a connection is refused with EPERM. Where it cannot be had jobs still see no credential: a start never fails
for want of it. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Iterable
from platform import machine

SYS_BPF = {"x86_64": 321, "aarch64": 280}
PROG_LOAD, PROG_ATTACH = 5, 8
CGROUP_SOCK_ADDR = 18
INET4_CONNECT, INET6_CONNECT = 10, 11
PORTS_MAX = 16
ADDRESSES_MAX = 32
NAMES_PORT = 53
# Offsets in struct bpf_sock_addr (linux/bpf.h); address and port are in network byte order.
IP4, IP6, PORT = 4, 8, 24
LOOPBACK4 = 127
MAPPED = 0xFFFF0000  # the third word of ::ffff:a.b.c.d, read on a little-endian machine
LOAD, AND, MOVE, JUMP, EXIT = 0x61, 0x57, 0xB7, 0x15, 0x95
MOVE32, UNLIKE = 0xB4, 0x5D  # without a sign; jump where two registers differ
WORD = 4
ALLOW, REFUSE = 1, 0
CLOSED, OPEN = "closed", "open: "
libc = ctypes.CDLL(None, use_errno=True)


def report(still_open: str) -> str:
    """What a node tells of the platform's ports: "closed", or "open: " and the reason ``close_ports`` gave."""
    return OPEN + still_open if still_open else CLOSED


def close_ports(cgroup: str, ports: Iterable[int], addresses: Iterable[str] = ()) -> str:
    """Close ``ports`` of the loopback, and ``addresses`` but for their name servers, to every process in ``cgroup``
    and below; "" or why that is not possible.
    """
    wanted = sorted(set(ports))[:PORTS_MAX]
    closed = sorted(set(addresses))[:ADDRESSES_MAX]
    if not wanted and not closed:
        return "no port of this machine is to be closed"
    if not cgroup:
        return "no cgroup may be made here"
    if machine() not in SYS_BPF or sys.byteorder != "little":
        return f"not known how on {machine()}"
    try:
        folder = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return f"{cgroup}: {error.strerror}"
    try:
        attach(folder, refusing4(closed) + program(wanted, loopback4()), INET4_CONNECT)
        attach(folder, refusing6(closed) + program(wanted, loopback6()), INET6_CONNECT)
    except OSError as error:
        return error.strerror or str(error)
    finally:
        os.close(folder)
    return ""


def program(ports: list[int], refuse_if_local: list[bytes]) -> bytes:
    """For each port: go on to the address when it is that port. Else, and for other addresses: allow."""
    checks = [instruction(LOAD, 2, 1, PORT)]
    allow = [instruction(MOVE, 0, 0, 0, ALLOW), instruction(EXIT)]
    for number, port in enumerate(ports):
        onward = len(ports) - 1 - number + len(allow)
        checks.append(instruction(JUMP, 2, 0, onward, socket_order(port)))
    return b"".join([*checks, *allow, *refuse_if_local])


def refusing4(addresses: Iterable[str]) -> bytes:
    packed = [socket.inet_pton(socket.AF_INET, one) for one in addresses if ":" not in one]
    return b"".join(refusing(one, IP4) for one in packed)


def refusing6(addresses: Iterable[str]) -> bytes:
    """Those of the older kind are reached as mapped ones too."""
    written = [one if ":" in one else f"::ffff:{one}" for one in addresses]
    return b"".join(refusing(socket.inet_pton(socket.AF_INET6, one), IP6) for one in written)


def refusing(address: bytes, place: int) -> bytes:
    """Refuse the address at ``place``, but for its port 53: in some clouds names are looked up there too."""
    found = [
        instruction(LOAD, 2, 1, PORT),
        instruction(JUMP, 2, 0, 2, socket_order(NAMES_PORT)),
        instruction(MOVE, 0, 0, 0, REFUSE),
        instruction(EXIT),
    ]
    for at in range(len(address) - WORD, -1, -WORD):
        word = int.from_bytes(address[at : at + WORD], "little", signed=True)
        compared = [instruction(LOAD, 3, 1, place + at), instruction(MOVE32, 4, 0, 0, word)]
        found = [*compared, instruction(UNLIKE, 3, 4, len(found)), *found]
    return b"".join(found)


def loopback4() -> list[bytes]:
    """127.0.0.0/8, and 0.0.0.0, which connects there too."""
    return [
        instruction(LOAD, 3, 1, IP4),
        instruction(JUMP, 3, 0, 4, 0),
        instruction(AND, 3, 0, 0, 0xFF),
        instruction(JUMP, 3, 0, 2, LOOPBACK4),
        instruction(MOVE, 0, 0, 0, ALLOW),
        instruction(EXIT),
        instruction(MOVE, 0, 0, 0, REFUSE),
        instruction(EXIT),
    ]


def loopback6() -> list[bytes]:
    """Addresses whose first two words are zero and the third is zero or ffff: ::, ::1 and mapped ones."""
    return [
        instruction(LOAD, 3, 1, IP6),
        instruction(JUMP, 3, 0, 2, 0),
        instruction(MOVE, 0, 0, 0, ALLOW),
        instruction(EXIT),
        instruction(LOAD, 3, 1, IP6 + 8),
        instruction(JUMP, 3, 0, 5, 0),
        instruction(0x67, 3, 0, 0, 32),  # shift away the sign that an immediate value would have
        instruction(0x77, 3, 0, 0, 48),
        instruction(JUMP, 3, 0, 2, MAPPED >> 16),
        instruction(MOVE, 0, 0, 0, ALLOW),
        instruction(EXIT),
        instruction(MOVE, 0, 0, 0, REFUSE),
        instruction(EXIT),
    ]


def instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", code, source << 4 | target, offset, value)


def socket_order(port: int) -> int:
    return int.from_bytes(port.to_bytes(2, "big"), "little")


def attach(folder: int, code: bytes, kind: int) -> None:
    """Load ``code`` and hang it on the cgroup, in place of what hung there. OSError where the kernel refuses."""
    text, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    addresses = (ctypes.addressof(text), ctypes.addressof(licence))
    load = struct.pack(
        "<IIQQIIQII16sII", CGROUP_SOCK_ADDR, len(code) // 8, *addresses, 0, 0, 0, 0, 0, b"treering", 0, kind
    )
    loaded = bpf(PROG_LOAD, load)
    try:
        bpf(PROG_ATTACH, struct.pack("<IIIII", folder, loaded, kind, 0, 0))
    finally:
        os.close(loaded)


def bpf(command: int, attributes: bytes) -> int:
    given = ctypes.create_string_buffer(attributes, len(attributes))
    result = int(libc.syscall(SYS_BPF[machine()], command, given, len(attributes)))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
