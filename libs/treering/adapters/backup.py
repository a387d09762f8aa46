"""A backup of a whole installation, also while it runs, and only of what is new since the last one.

The order makes it consistent: first the log up to a position, then all blobs. What a commit speaks of was stored before
the commit was, so nothing that the log of the backup names is missing from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct
from nats.aio.client import Client

import treering
from treering.adapters import names
from treering.adapters.backup_keys import collect, sealed
from treering.adapters.backup_layout import (
    FORMAT,
    BlobSet,
    Keys,
    Layout,
    Manifest,
    Tree,
    file_hash,
    list_hash,
    list_text,
)
from treering.adapters.backup_streams import copy_log, copy_points
from treering.adapters.blobs import LocalBlobs
from treering.adapters.checkpoints import CHECKPOINT_FILE
from treering.adapters.file_lock import file_lock
from treering.adapters.free_space import require_room
from treering.adapters.home_place import is_elsewhere
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_copy import FILE_NAME, LogCopy
from treering.adapters.nats_connect import NatsUnavailable, close, connect
from treering.adapters.nats_credentials import CredentialMissing, make_private_folder, read_credential, write_private
from treering.adapters.nats_process import NatsServerError, server_url
from treering.adapters.nats_server import NatsServer
from treering.adapters.points_copy import PointsCopy
from treering.adapters.readable_home import snapshot, workable
from treering.adapters.special_files import refuse_special
from treering.adapters.witnesses import WITNESSES_FILE
from treering.config import Home
from treering.kernel.blobs import DIGEST, PREFIX
from treering.kernel.clock import monotonic_seconds, now
from treering.kernel.ending import beside, end
from treering.kernel.projector import Projector
from treering.kernel.refusal import Refused

NAMES_FILE = f"keys/{names.FILE_NAME}"  # no key: personal data, which the log holds to what it was told
SIGNED_FILES = (f"copy/{CHECKPOINT_FILE}", WITNESSES_FILE)
SMALL_FILES = (*SIGNED_FILES, NAMES_FILE)
READER = "gateway"  # the user that may read commits and points, and nobody's secrets
CONNECT_SECONDS = 2.0
CATCH_UP_SECONDS_MAX = 60.0
POLL_SECONDS = 0.05


class Backup(Struct, frozen=True):
    """What was made: ``new_*`` is what this run added."""

    folder: str
    log: Tree
    points: Tree
    blobs: BlobSet
    keys: Keys
    new_commits: int
    new_blobs: int
    seconds: float


async def make_backup(
    home: Home, folder: Path, *, passphrase: bytes | None = None, keys_file: Path | None = None
) -> Backup:
    """Bring the backup in ``folder`` up to now; raises Refused, LogDamaged, LogUnavailable, OSError.

    The keys go into it sealed by ``passphrase``, or as they are into ``keys_file``, or not at all.
    """
    began = monotonic_seconds()
    refuse_special(home.root)
    if not (home.copy / FILE_NAME).exists():
        raise Refused("backup.nothing", f"there is no installation in {home.root}, or it has no second copy of its log")
    layout = Layout(folder)
    refuse_other_folder(home, layout)
    layout.refuse_other_forms()
    make_private_folder(layout.folder)
    async with file_lock(layout.lock, wait_seconds=1.0):
        before = layout.read_manifest()
        async with workable(home, runs=await is_running(home)) as readable:
            # Before the log: the log that is copied then holds what was signed, and what the webhooks were told.
            files, deliveries = small_files(readable), await asyncio.to_thread(copy_deliveries, readable, layout)
            log, points = await copy_streams(readable, layout, ours=readable is not home)
        blobs, new_blobs = await copy_blobs(home, layout)
        keys = keep_keys(home, layout, passphrase, keys_file)
        release, at = treering.__version__, now()
        layout.write_manifest(Manifest(FORMAT, release, at, log, points, blobs, keys, files, deliveries))
        if keys != "sealed":
            layout.keys.unlink(missing_ok=True)
    new_commits = log.positions - (before.log.positions if before else 0)
    return Backup(str(layout.folder), log, points, blobs, keys, new_commits, new_blobs, monotonic_seconds() - began)


def refuse_other_folder(home: Home, layout: Layout) -> None:
    """``Refused("backup.folder_used")`` unless the folder is new, empty, or a backup, and none of the home's."""
    folder = layout.folder.resolve()
    found = {path.name for path in folder.iterdir()} if folder.exists() else set()
    foreign = found - {layout.lock.name} and not found & {layout.log.name, layout.manifest.name}
    if foreign or folder.is_relative_to(home.root.resolve()):
        why = f"{layout.folder} holds other things than a backup of this installation: choose an empty folder outside"
        raise Refused("backup.folder_used", why)


def small_files(home: Home) -> dict[str, str]:
    return {name: (home.root / name).read_text() for name in SMALL_FILES if (home.root / name).exists()}


def copy_deliveries(home: Home, layout: Layout) -> str:
    """The notifier's store as it is at one moment, by SQLite's own backup; the hash of the file."""
    if not home.deliveries.exists():
        return ""
    part = layout.folder / f".{layout.deliveries.name}.part"
    part.unlink(missing_ok=True)
    snapshot(home.deliveries, part)
    part.replace(layout.deliveries)
    return file_hash(layout.deliveries)


async def copy_streams(home: Home, layout: Layout, *, ours: bool) -> tuple[Tree, Tree]:
    """``ours``: the second copy is one that nobody else writes to."""
    async with AsyncCopies(home, layout) as (source, log, points), server_of(home) as (client, alone):
        stream = JetStreamLog(client)
        if alone or ours:  # what a monitor that was killed had not copied
            await catch_up(source, stream)
        await caught_up(source, await stream.head())
        return await copy_log(source, log), await copy_points(client, points)


class AsyncCopies:
    """The second copy of ``home`` and the two of the backup, open inside the block."""

    def __init__(self, home: Home, layout: Layout) -> None:
        self.copies = (LogCopy(home.copy / FILE_NAME), LogCopy(layout.log), PointsCopy(layout.points))
        self.open: list[LogCopy] = []

    async def __aenter__(self) -> tuple[LogCopy, LogCopy, PointsCopy]:
        try:
            for copy in self.copies:
                await copy.open()
                self.open.append(copy)
        except BaseException:
            await self.__aexit__()
            raise
        return self.copies

    async def __aexit__(self, *_: object) -> None:
        for copy in reversed(self.open):
            await copy.close()


@asynccontextmanager
async def server_of(home: Home) -> AsyncIterator[tuple[Client, bool]]:
    """A connection to the server that runs, or to one that is started for it and stopped again; and whether it is."""
    started = None if await is_running(home) else NatsServer(home.root)
    if started is not None:
        await started.start()
    client = await reader(home)
    try:
        yield client, started is not None
    finally:
        await close(client)
        if started is not None:
            await started.stop()


async def is_running(home: Home) -> bool:
    """Whether the server of this home answers."""
    try:
        if is_elsewhere(home):
            return False
        await close(await reader(home))
    except (NatsUnavailable, NatsServerError, CredentialMissing):
        return False
    return True


async def reader(home: Home) -> Client:
    url, credential = server_url(home.root), read_credential(home.root, READER)
    return await connect(url, credential, "treering-backup", timeout_seconds=CONNECT_SECONDS)


async def catch_up(copy: LogCopy, stream: JetStreamLog) -> None:
    """Do the monitor's work; raises LogDamaged when log and copy contradict each other."""
    projector = Projector(stream, copy)
    async with beside(projector.run()) as running:
        reached = asyncio.create_task(projector.reached(await stream.head(), CATCH_UP_SECONDS_MAX))
        await asyncio.wait({running, reached}, return_when=asyncio.FIRST_COMPLETED)
        await end(reached)
        if running.done():
            running.result()


async def caught_up(copy: LogCopy, head: int) -> None:
    """Wait until the monitor has copied what was in the log; ``Refused("backup.copy_behind")``."""
    over_at = monotonic_seconds() + CATCH_UP_SECONDS_MAX
    while (reached := (await copy.checkpoint()).position) < head:
        if monotonic_seconds() > over_at:
            why = f"the second copy is at position {reached}, the log at {head}: is the monitor running?"
            raise Refused("backup.copy_behind", why)
        await asyncio.sleep(POLL_SECONDS)


async def copy_blobs(home: Home, layout: Layout) -> tuple[BlobSet, int]:
    """Every blob that is not there yet, hashed on the way; ``Refused("blob.damaged")`` for a changed one."""
    layout.blobs.mkdir(mode=0o700, exist_ok=True)
    source, target = LocalBlobs(home.blobs), LocalBlobs(layout.blobs)
    digests: list[str] = []
    size_bytes = new = 0
    for digest, path in await asyncio.to_thread(lambda: list(blob_files(home.blobs))):
        size_bytes += path.stat().st_size
        digests.append(digest)
        if not target.path_of(digest).exists():
            require_room(layout.folder)
            await target.put_stream(source.read(digest), digest)
            new += 1
    text = list_text(digests)
    write_private(layout.blob_list, text)
    return BlobSet(len(digests), size_bytes, list_hash(text)), new


def blob_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Digest and file of each blob; beside them may stand files that were set aside as damaged."""
    for path in sorted((folder / "sha256").glob("??/*")):
        if DIGEST.fullmatch(PREFIX + path.name):
            yield PREFIX + path.name, path


def keep_keys(home: Home, layout: Layout, passphrase: bytes | None, keys_file: Path | None) -> Keys:
    if passphrase is not None:
        write_private(layout.keys, sealed(collect(home), passphrase))
        return "sealed"
    if keys_file is None:
        return "none"
    if keys_file.resolve().is_relative_to(layout.folder.resolve()):
        raise Refused("backup.keys", "unencrypted keys belong in another place than the backup")
    write_private(keys_file.resolve(), collect(home))
    return "apart"
