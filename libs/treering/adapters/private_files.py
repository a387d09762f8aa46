"""Files and folders that only their owner may read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path


def make_private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:
        folder.chmod(0o700)


def write_private(path: Path, data: bytes) -> None:
    """Write ``path`` so that it is complete or absent, and never readable by anybody else."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:  # On a full disk what was half written would take the room that is left.
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):  # It names what only we know, or nothing.
            error.filename, error.filename2 = str(path), None
        raise
