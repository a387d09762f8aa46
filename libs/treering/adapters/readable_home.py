"""A home that cannot be written to (mounted read-only, of another user) is verified and backed up from a scratch copy.

SQLite and the nats-server write even to read, so both get copies of their files; the blobs are read where they are.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from treering.adapters.free_space import MIB, room_in
from treering.adapters.home_files import backed_up
from treering.adapters.home_whole import read_only
from treering.adapters.log_copy import FILE_NAME
from treering.adapters.nats_credentials import make_private_folder
from treering.adapters.nats_server import bytes_in
from treering.adapters.nats_staging import batches_of
from treering.adapters.points_copy import POINTS_FILE
from treering.adapters.read_only import UNREADABLE, opened
from treering.adapters.scratch import scratch_folder
from treering.adapters.sqlite_open import open_alone
from treering.config import Home
from treering.kernel.log import LogDamaged
from treering.kernel.refusal import Refused

PREFIX = "treering-readable-"


@asynccontextmanager
async def workable(home: Home, *, runs: bool) -> AsyncIterator[Home]:
    """``home`` where it can be written to, else a scratch copy; with the address of its server when that ``runs``, and
    with a copy of its store otherwise."""
    if not await asyncio.to_thread(read_only, home):
        yield home
        return
    refuse_small_disk(home)
    with scratch_folder(PREFIX, Path(tempfile.gettempdir())) as folder:
        scratch = Home(folder)
        try:
            await asyncio.to_thread(fill, scratch, home, runs=runs)
            yield scratch
        except (LogDamaged, Refused) as error:  # for people it is a path of the home
            error.args = tuple(said_of(home, scratch, one) for one in error.args)
            if isinstance(error, Refused):
                error.detail = said_of(home, scratch, error.detail)
            raise


def said_of(home: Home, scratch: Home, text: str) -> str:
    """What was found in the scratch copy, said of the home."""
    return text.replace(str(scratch.root), str(home.root))


def refuse_small_disk(home: Home) -> None:
    """``Refused("home.read_only")`` when the copies do not fit where temporary files are."""
    where = Path(tempfile.gettempdir())
    needed = bytes_in(home.nats / "store") + bytes_in(home.copy)
    if needed > room_in(where).free_bytes // 2:
        why = (
            f"{home.root} cannot be written to, and a copy of its log ({needed / MIB:,.0f} MiB) does not fit in {where}"
        )
        raise Refused("home.read_only", f"{why}: mount it for writing, or set TMPDIR to a folder with more room")


def fill(scratch: Home, home: Home, *, runs: bool) -> None:
    for folder in (scratch.copy, scratch.nats, scratch.deliveries.parent):
        make_private_folder(folder)
    scratch.blobs.symlink_to(home.blobs.resolve())
    for path in {*backed_up(home, "keys"), *backed_up(home, "small")}:
        target = scratch.root / path.relative_to(home.root)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(path, target)
    for path in (home.copy / FILE_NAME, home.copy / POINTS_FILE, home.deliveries):
        if path.exists():
            snapshot_or_file(path, scratch.root / path.relative_to(home.root))
    if runs:
        shutil.copy2(home.nats / "url", scratch.nats / "url")
    else:
        staged = shutil.ignore_patterns(batches_of(home.nats).name)  # in memory: it was not acknowledged
        shutil.copytree(home.nats / "store", scratch.nats / "store", ignore=staged)


def snapshot_or_file(path: Path, target: Path) -> None:
    """Of a damaged database the file as it is: whoever opens it says what is wrong."""
    try:
        snapshot(path, target)
    except UNREADABLE:
        shutil.copy2(path, target)


def snapshot(path: Path, target: Path) -> None:
    """The database as it is at one moment, by SQLite's own backup."""
    with opened(path) as source, closing(open_alone(target)) as db:
        source.backup(db)
    target.chmod(0o600)
