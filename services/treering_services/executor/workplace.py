"""The folders of attempts: few when one begins, and removed behind its back when it is over.

To make a folder takes the disk longer than anything else an executor does for a job, so the fewer the better.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from treering.adapters.remove_tree import remove_tree

GATHER_SECONDS = 0.2
WAITING_MAX = 200
# What a job finds, each after its parent. Most jobs leave some of them empty, many all.
FOLDERS = ("", "/code", "/code/outputs", "/code/logs", "/home", "/tmp")


def make_folders(folder: Path) -> None:
    """Make what a job finds; what is there already stays as it is."""
    for name in FOLDERS:
        try:
            os.mkdir(f"{folder}{name}")
        except FileExistsError:
            continue
        except FileNotFoundError:
            os.makedirs(f"{folder}{name}", exist_ok=True)


def remove_folders(folders: Sequence[Path]) -> None:
    """Remove them with all that is in them. Blocks; what cannot be removed stays."""
    for folder in folders:
        for name in reversed(FOLDERS):
            with suppress(OSError):
                os.rmdir(f"{folder}{name}")
        if os.path.lexists(folder):
            remove_tree(str(folder))


def remove_all(place: Path) -> None:
    """Remove the folders of attempts that an earlier life of the executor has left below ``place``. Blocks."""
    with suppress(FileNotFoundError):
        remove_folders(list(place.iterdir()))


class Leftovers:
    """Folders of attempts that are over, removed several at a time and beside the event loop."""

    def __init__(self) -> None:
        self.waiting: list[Path] = []
        self.removing: asyncio.Task[None] | None = None

    async def add(self, folder: Path) -> None:
        """Take ``folder`` over; waits only where jobs end faster than their folders can be removed."""
        self.waiting.append(folder)
        if self.removing is None:
            self.removing = asyncio.create_task(self.remove(GATHER_SECONDS))
        if len(self.waiting) >= WAITING_MAX:
            await asyncio.shield(self.removing)

    async def remove(self, gather_seconds: float = 0.0) -> None:
        """Remove what waits now."""
        try:
            await asyncio.sleep(gather_seconds)
        finally:
            self.removing = None
            folders, self.waiting = self.waiting, []
        await asyncio.to_thread(remove_folders, folders)

    async def close(self) -> None:
        """Nothing waits and nothing is being removed when this returns."""
        removing = self.removing
        await self.remove()
        if removing is not None:
            await asyncio.wait({removing})
