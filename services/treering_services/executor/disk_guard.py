"""Ends the job that fills the disk of its node, before the installation can write nothing there any more.

Nothing bounds what one job may write while there is room. When there is as little left that clients are refused
(``free_space``), the job whose folder takes most has to go, if it takes so much that this helps.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import structlog

from treering.adapters.free_space import MIB, Room, room_in
from treering.adapters.launcher import LauncherFailed
from treering.adapters.tree_walk import ENTRIES_MAX
from treering_services.executor.attempt import Attempt

LOOK_SECONDS = 1.0
BLOCK_BYTES = 512  # what st_blocks counts, on every file system (stat(3type))
log = structlog.get_logger()


class DiskGuard:
    """``attempts`` are those of the node now; their folders lie below ``runs``."""

    def __init__(
        self, runs: Path, attempts: Callable[[], Iterable[Attempt]], room: Callable[[Path], Room] = room_in
    ) -> None:
        self.runs = runs
        self.attempts = attempts
        self.room = room
        self.going: Path | None = None  # the folder of the last one that had to go

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except OSError as error:
                log.warning("disk.not_looked_at", why=str(error))

    async def look(self) -> None:
        room = await asyncio.to_thread(self.room, self.runs)
        if room.free_bytes >= room.clients_bytes_min or self.is_one_going():
            return
        running = [attempt for attempt in self.attempts() if attempt.step == "running" and not attempt.over]
        taken = [(await asyncio.to_thread(taken_bytes, attempt.folder), attempt) for attempt in running]
        most_bytes, filler = max(taken, key=lambda one: one[0], default=(0, None))
        if filler is None or filler.running is None or filler.over or most_bytes < room.clients_bytes_min:
            return
        self.going = filler.folder
        log.warning("disk.filled", job=str(filler.job), attempt=filler.number, taken_bytes=most_bytes)
        left = f"the disk of its node had {room.free_bytes / MIB:.0f} MiB left"
        filler.fail("disk.full", f"{left}, and of all jobs there this one took most of it ({most_bytes / MIB:.0f} MiB)")
        with suppress(LauncherFailed):  # the step that waits for its end says so
            await filler.running.kill()

    def is_one_going(self) -> bool:
        """The room it took comes back when its folder is removed: no other has to go meanwhile."""
        return self.going is not None and self.going.exists()


def taken_bytes(folder: Path) -> int:
    """What ``folder`` takes of the disk: holes take nothing, and a file with many names counts once. Blocks."""
    found, entries = 0, 0
    several: set[tuple[int, int]] = set()
    waiting = [str(folder)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as inside:  # what is removed meanwhile takes nothing
            for entry in inside:
                entries += 1
                if entries > ENTRIES_MAX:
                    return found
                about = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif about.st_nlink > 1:
                    if (about.st_dev, about.st_ino) in several:
                        continue
                    several.add((about.st_dev, about.st_ino))
                found += about.st_blocks * BLOCK_BYTES
    return found
