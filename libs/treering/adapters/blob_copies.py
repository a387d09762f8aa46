"""Copies a blob to where a job finds it: never by a hard link, through which the job could change the blob itself.

Read-only modes do not help: they do not bind root, and a file's owner changes them back. Where the file system can
clone (btrfs, xfs, bcachefs), the copy shares the blob's blocks until one of the two is written to, and costs as little
as a link.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from io import BufferedRandom
from pathlib import Path
from typing import IO

from treering.adapters.checked_blobs import CheckedBlobs, Reading
from treering.kernel.blobs import PREFIX
from treering.kernel.meter import tick

FICLONE = 0x40049409  # linux/fs.h; the same on every architecture but mips, powerpc and sparc, where it is refused
COPY_BYTES_MAX = 64 << 20  # in one call, which cannot be interrupted


def copy_blob(checks: CheckedBlobs, digest: str, target: Path, mode: int) -> None:
    """Write the blob ``digest`` into the new file ``target``, which is there whole and right or not at all. Blocks.

    Raises ``Refused`` ``blob.absent``, ``blob.damaged``; FileExistsError.
    """
    with checks.open(digest) as reading, target.open("xb+") as file:
        try:
            fill(reading, file)
            file.flush()
        except BaseException:
            target.unlink()
            raise
        os.fchmod(file.fileno(), mode)


def fill(reading: Reading, file: BufferedRandom) -> None:
    """Hash what is not known to be good: on the way where bytes are copied, the clone itself where they are not."""
    if cloned(reading.file, file):
        if reading.hash is not None:
            good = PREFIX + hashlib.file_digest(file, "sha256").hexdigest() == reading.digest
            reading.checks.found(reading.digest, reading.stamp, good)
            reading.hash = None
        tick(os.fstat(file.fileno()).st_size)
        reading.finish()
    elif reading.hash is not None or not copied(reading.file, file):
        while chunk := reading.next():
            file.write(chunk)
            tick(len(chunk))
    else:
        reading.finish()


def cloned(source: IO[bytes], target: IO[bytes]) -> bool:
    try:
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
    except OSError:  # EOPNOTSUPP, EXDEV, EINVAL, ENOTTY: another way will do, or says what is wrong
        return False
    return True


def copied(source: IO[bytes], target: IO[bytes]) -> bool:
    """Copy all inside the kernel; False, with nothing written, where it does not do that between these two."""
    if not hasattr(os, "copy_file_range"):
        return False
    done = 0
    try:
        while count := os.copy_file_range(source.fileno(), target.fileno(), COPY_BYTES_MAX):
            done += count
            tick(count)
    except OSError:
        if done:
            raise
        return False
    return True
