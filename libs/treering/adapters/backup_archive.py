"""A backup as one file: a tar of the folder's files, and the way back that takes nothing else from a foreign tar."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from treering.adapters.backup_layout import damaged
from treering.adapters.scratch import scratch_folder
from treering.adapters.special_files import special_kind
from treering.kernel.refusal import Refused

SUFFIX = ".tar"
MEMBERS_MAX = 20_000_000
MEMBER = re.compile(
    r"backup\.json|log\.db|points\.db|deliveries\.db|blobs\.list|keys\.sealed|blobs/sha256/[0-9a-f]{2}/[0-9a-f]{64}"
)


def is_archive(path: Path) -> bool:
    return path.suffix == SUFFIX


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A folder on the same disk, gone after the block."""
    with scratch_folder(f".{path.name}.new-", path.absolute().parent) as folder:
        yield folder


def pack(folder: Path, archive: Path) -> None:
    """Write the files of a finished backup to ``archive``, which is there whole or not at all, for its owner only."""
    part = archive.with_name(f".{archive.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(folder).as_posix()
                if path.is_file() and MEMBER.fullmatch(name):
                    tar.add(path, name)
        file.flush()
        os.fsync(file.fileno())
    part.replace(archive)


def unpack(archive: Path, folder: Path) -> None:
    """The files of a backup, plain ones under the names we know; ``Refused("backup.invalid")`` for anything else.

    The standard filter for foreign tars could be led out of its folder on some versions, so nothing of it is used.
    """
    if kind := special_kind(archive):
        raise Refused("backup.invalid", f"{archive} is {kind}, and a file is due: name another backup")
    try:
        with tarfile.open(archive, mode="r:") as tar:
            for number, member in enumerate(tar):
                if number >= MEMBERS_MAX or not member.isreg() or not MEMBER.fullmatch(member.name):
                    raise Refused("backup.invalid", f"{archive} is no backup: it holds {member.name[:100]!r}")
                content = tar.extractfile(member)
                assert content is not None
                target = folder / member.name
                if target.exists():
                    raise damaged(f"{archive} holds {member.name} twice")
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with target.open("xb") as file:
                    shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError) as error:
        raise damaged(f"{archive} cannot be read as a tar: {error}") from None
