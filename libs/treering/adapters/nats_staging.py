"""Where a nats-server stages the atomic batches of group commit: in memory, not on the disk (docs/adr/0003).

The server stages a batch as a little store of its own: two files written with O_SYNC, two synced folders and a synced
block, before the one sync that matters, of the stream itself. Nothing staged was acknowledged, and a batch here is
many commits that need not be stored together, so what a power cut takes of it is missed by nobody. What only the
death of the server leaves behind is still found, and stored, when it starts again. So the folder ``batches`` of the
stream is a link into /dev/shm. The server removes it at each start; a cluster stages in memory by itself.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from treering.adapters.free_space import room_in
from treering.adapters.nats_config import ACCOUNT

MEMORY = Path("/dev/shm")
FREE_BYTES_MIN = 32 * 1024 * 1024
STREAM = "EVT"
PREFIX = "treering"
OF = "of"  # in a staging folder: whose it is


def batches_of(folder: Path) -> Path:
    """Where the server of ``folder`` stages batches."""
    return folder / "store" / "jetstream" / ACCOUNT / "streams" / STREAM / "batches"


def stage_in_memory(folder: Path, memory: Path = MEMORY) -> bool:
    """Let the running server of ``folder`` stage in ``memory``; False where that cannot be: then it is the disk.

    The stream must exist, and nothing may be appended to it yet.
    """
    batches, target = batches_of(folder), staging_folder(folder, memory)
    try:
        if room_in(memory).free_bytes < FREE_BYTES_MIN or not memory.is_dir():
            return False
        sweep(memory)
        with suppress(FileExistsError):
            target.mkdir(mode=0o700)
        if not is_private(target):
            return False
        (target / OF).write_text(str(folder))
        if batches.is_symlink():
            batches.unlink()
        elif batches.exists():
            batches.rmdir()
        batches.symlink_to(target)
    except OSError:
        return False
    return True


def unstage(folder: Path, memory: Path = MEMORY) -> None:
    """Take the memory back when the server has ended in order; safe to say twice."""
    batches, target = batches_of(folder), staging_folder(folder, memory)
    with suppress(OSError):
        if batches.is_symlink():
            batches.unlink()
        if is_private(target):
            shutil.rmtree(target)


def sweep(memory: Path) -> None:
    """Remove what servers left behind that were killed and whose home is gone."""
    for left in memory.glob(f"{PREFIX}-{os.geteuid()}-*"):
        with suppress(OSError):
            if is_private(left) and not Path((left / OF).read_text()).exists():
                shutil.rmtree(left)


def staging_folder(folder: Path, memory: Path) -> Path:
    return memory / f"{PREFIX}-{os.geteuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"


def is_private(folder: Path) -> bool:
    """Whether it is a folder of ours that nobody else can enter: everybody may make one in shared memory."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
