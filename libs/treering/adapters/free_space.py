"""Room on the disk, asked before something is written: a nats-server on a full disk does not refuse, it hangs.

Its publishes time out, also after room has come back, until it is restarted. So we say no first. Clients are refused
while there is still room for the services to bring what runs to its end; below the floor nobody writes.

    plenty | warning (doctor) | NATS' own reserve | clients refused | services refused | ENOSPC
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from treering.kernel.clock import monotonic_seconds
from treering.kernel.refusal import Refused

# Shares of the reserve that the nats-server leaves free itself (see nats_server.store_limit).
RESERVE_BYTES = 1024 * 1024 * 1024
RESERVE_PART = 20
CLIENTS_PART = 2
SERVICES_PART = 4
MIB = 1024 * 1024
ROOM_SECONDS = 0.02


class Room(NamedTuple):
    """Bytes of the filesystem a folder is on: free for us, in all, and the free file numbers in per cent."""

    free_bytes: int
    total_bytes: int
    inodes_free_percent: float

    @property
    def reserve_bytes(self) -> int:
        return reserve_of(self.total_bytes)

    @property
    def clients_bytes_min(self) -> int:
        return self.reserve_bytes // CLIENTS_PART

    @property
    def services_bytes_min(self) -> int:
        return self.reserve_bytes // SERVICES_PART


def reserve_of(total_bytes: int) -> int:
    return min(RESERVE_BYTES, total_bytes // RESERVE_PART)


def room_in(folder: Path) -> Room:
    """The room where ``folder`` is, or where it would be made."""
    while not folder.exists():
        folder = folder.parent
    found = os.statvfs(folder)
    inodes = 100.0 * found.f_favail / found.f_files if found.f_files else 100.0
    return Room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, inodes)


class RoomWatch:
    """Asks the disk now and then, since nobody fills in between what is kept free."""

    def __init__(self, require: Callable[..., None], *folders: Path) -> None:
        self.require = require
        self.folders = folders
        self.asked_at_seconds = -ROOM_SECONDS

    def check(self) -> None:
        """``Refused("disk.full")``, as ``require`` says it."""
        at = monotonic_seconds()
        if at - self.asked_at_seconds >= ROOM_SECONDS:
            self.require(*self.folders)
            self.asked_at_seconds = at


def require_room(*folders: Path) -> None:
    """``Refused("disk.full")`` when a client may write no more to the disk of one of ``folders``."""
    for folder in folders:
        room = room_in(folder)
        if room.free_bytes < room.clients_bytes_min:
            raise full(folder, room, room.clients_bytes_min)


def require_last_room(*folders: Path) -> None:
    """``Refused("disk.full")`` when even the services may write no more."""
    for folder in folders:
        room = room_in(folder)
        if room.free_bytes < room.services_bytes_min:
            raise full(folder, room, room.services_bytes_min)


def full(folder: Path, room: Room, bytes_min: int) -> Refused:
    return Refused(
        "disk.full",
        f"the disk of the {folder.name} has {room.free_bytes / MIB:.0f} MiB free and at least {bytes_min / MIB:.0f} "
        "are needed; free some room, and it goes on by itself",
    )
