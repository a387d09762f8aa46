"""Make an installation of a backup, in an empty home: everything is hashed before it counts.

What a backup holds beyond its manifest (a later one that broke off) is left out. The log is built by the same road as
``treering log restore``; views are computed at the next start.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from msgspec import Struct

from treering.adapters.backup import SIGNED_FILES, SMALL_FILES
from treering.adapters.backup_keys import opened, put_back
from treering.adapters.backup_layout import Layout, Manifest, Tree, damaged, file_hash, list_hash
from treering.adapters.blobs import LocalBlobs
from treering.adapters.checkpoints import ADVICE, CHECKPOINT_FILE, Seen, check_length, check_root, read_own
from treering.adapters.home_place import check_place
from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_copy import FILE_NAME, LogCopy, advice, pages_between
from treering.adapters.log_epochs import record_epoch
from treering.adapters.log_restore import bootstrap_client, build
from treering.adapters.names import person_name
from treering.adapters.nats_credentials import write_private
from treering.adapters.nats_server import NatsServer
from treering.adapters.points_copy import POINTS_FILE, PointsCopy
from treering.adapters.points_restore import publish_points
from treering.adapters.restoring import refuse_used, restoring
from treering.adapters.signing import LOG_KEY_FILE
from treering.adapters.sums import write_kept
from treering.adapters.webhook_pause import pause_webhooks
from treering.config import Home
from treering.kernel.clock import monotonic_seconds
from treering.kernel.log import Entry, LogDamaged
from treering.kernel.refusal import Refused


class Restored(Struct, frozen=True):
    """``log`` is what the backup had; ``key_files`` 0: a new installation with new tokens. ``webhooks_paused`` are
    those that were active: that they are paused is in the log behind it."""

    home: str
    log: Tree
    points: Tree
    blobs: int
    key_files: int
    seconds: float
    webhooks_paused: list[str] = []


async def restore_backup(
    folder: Path,
    home: Home,
    *,
    passphrase: bytes | None = None,
    keys: bytes | None = None,
    with_keys: bool = True,
    webhooks_on: bool = False,
    archive: Path | None = None,
) -> Restored:
    """Raises ``Refused``: ``backup.absent``, ``backup.damaged``, ``backup.invalid``, ``backup.home_used``,
    ``backup.other_keys``, ``passphrase.*``. ``archive`` is where ``folder`` was unpacked from, for sentences.

    ``keys`` are those that were kept apart. ``with_keys`` False: the installation makes new ones. ``webhooks_on``: they
    go on being told at the next start; otherwise, and without their secrets, they are paused.
    """
    began = monotonic_seconds()
    layout = Layout(folder, archive)
    manifest = layout.read_manifest()
    if manifest is None:
        raise Refused("backup.absent", f"there is no finished backup in {archive or folder}")
    layout.require_whole(manifest)
    refuse_used(home)
    if keys is None and with_keys:
        keys = sealed_keys(layout, manifest, passphrase)
    digests = listed_blobs(layout, manifest)
    with restoring(home):
        home.create()
        try:
            key_files = put_back(keys, home) if keys is not None else 0
            await put_blobs(layout, home, digests)
            put_small_files(home, manifest.files)
            put_deliveries(layout, home, manifest.deliveries_sha256)
            paused = await put_log(layout, home, manifest.log, pause=not webhooks_on or not key_files)
            await put_points(layout, home, manifest.points)
        except BaseException:
            shutil.rmtree(home.root, ignore_errors=True)  # all of it is ours: a half restored home must not be started
            raise
        check_place(home)
    seconds = monotonic_seconds() - began
    return Restored(str(home.root), manifest.log, manifest.points, len(digests), key_files, seconds, paused)


def sealed_keys(layout: Layout, manifest: Manifest, passphrase: bytes | None) -> bytes:
    if manifest.keys != "sealed":
        raise Refused("backup.keys_missing", "this backup holds no keys: give --keys-from FILE, or --no-keys")
    if passphrase is None:
        raise Refused("passphrase.missing", "the keys of this backup are sealed: give --passphrase-file, or --no-keys")
    return opened(layout.keys.read_bytes(), passphrase)


def listed_blobs(layout: Layout, manifest: Manifest) -> list[str]:
    text = layout.blob_list.read_bytes()
    if list_hash(text) != manifest.blobs.list_sha256:
        raise damaged(f"{layout.named(layout.blob_list)} is not what was stored")
    return text.decode().split()


async def put_blobs(layout: Layout, home: Home, digests: list[str]) -> None:
    """Each is hashed on its way, so what arrives is what was stored."""
    source, target = LocalBlobs(layout.blobs), LocalBlobs(home.blobs)
    for digest in digests:
        try:
            await target.put_stream(source.read(digest), digest)
        except Refused as refused:
            if not refused.code.startswith("blob."):
                raise
            why = "is missing" if refused.code == "blob.absent" else "is not what was stored"
            raise damaged(f"{layout.named(source.path_of(digest))} {why}") from None


def put_small_files(home: Home, files: dict[str, str]) -> None:
    """What was signed is only of use with the key that signed it; a new key begins a new series."""
    has_key = (home.keys / LOG_KEY_FILE).exists()
    for name, text in files.items():
        if name not in SMALL_FILES:
            raise damaged(f"the manifest of the backup names the file {name[:100]!r}")
        if name in SIGNED_FILES and not has_key:
            continue
        write_kept(home.root / name, text.encode())


def put_deliveries(layout: Layout, home: Home, sha256: str) -> None:
    if not sha256:
        return
    if file_hash(layout.deliveries) != sha256:
        raise damaged(f"{layout.named(layout.deliveries)} is not what was stored")
    home.deliveries.parent.mkdir(mode=0o700)
    write_private(home.deliveries, layout.deliveries.read_bytes())


async def put_log(layout: Layout, home: Home, wanted: Tree, *, pause: bool) -> list[str]:
    """The second copy first, verified commit by commit; of that the log, by the same road as a damaged one, where a
    new epoch begins; the webhooks that are paused then."""
    await put_copy(layout, LogCopy(layout.log), LogCopy(home.copy / FILE_NAME), wanted)
    copy, server = LogCopy(home.copy / FILE_NAME), NatsServer(home.root)
    await copy.open()
    try:
        if seen := own_checkpoint(home):
            check_length(seen, wanted.positions, "backup")
            await copy.read(partial(check_root, seen=seen))
        root = await build(server, copy)
        if root.hex() != wanted.root:
            raise damaged(f"the restored log has root {root.hex()}, and the backup says {wanted.root}")
        async with bootstrap_client(server) as client:
            if wanted.positions:  # of an empty log nobody has seen anything
                await record_epoch(JetStreamLog(client), after=wanted.positions)
            return await pause_webhooks(client, copy, home, person_name()) if pause else []
    finally:
        await server.stop()
        await copy.close()


def own_checkpoint(home: Home) -> Seen | None:
    """The signed one of the backup; ``Refused("backup.other_keys")`` when the keys are not those that signed it."""
    try:
        return read_own(home)
    except LogDamaged as bad:
        why = str(bad).partition(f". {ADVICE}")[0].removeprefix(f"the checkpoint {home.copy / CHECKPOINT_FILE} ")
        raise Refused(
            "backup.other_keys",
            f"the signed checkpoint of the backup {why}. The keys are those of another installation, or of another "
            "backup: give the ones that were made with this backup, or --no-keys",
        ) from None


async def put_copy(layout: Layout, source: LogCopy, target: LogCopy, wanted: Tree) -> None:
    """The first ``wanted.positions`` rows; the tree over them must be the one that the manifest names."""
    try:
        await source.open()
        try:
            await target.open()
            try:
                await take_over(layout, source, target, wanted)
            finally:
                await target.close()
        finally:
            await source.close()
    except LogDamaged as bad:
        name = layout.named(source.path)
        why = str(bad).partition(f". {advice(source.path)}")[0].replace(str(source.path), name)
        raise damaged(f"{name}: {why}") from None


async def take_over(layout: Layout, source: LogCopy, target: LogCopy, wanted: Tree) -> None:
    async for rows in pages_between(source, 1, wanted.positions):
        await target.apply([Entry(row.position, row.subject, row.body) for row in rows])
    found = Tree(target.tree.size, target.tree.root().hex())
    if found != wanted:
        name = layout.named(source.path)
        raise damaged(f"{name} holds {found.positions} messages with root {found.root}, not what was stored")


async def put_points(layout: Layout, home: Home, wanted: Tree) -> None:
    """The second copy first, then the stream from it, as with the log."""
    if wanted.positions == 0:
        return
    await put_copy(layout, PointsCopy(layout.points), PointsCopy(home.copy / POINTS_FILE), wanted)
    copy, server = PointsCopy(home.copy / POINTS_FILE), NatsServer(home.root)
    await copy.open()
    try:
        await server.start()
        async with bootstrap_client(server) as client:
            await publish_points(client, copy)
    finally:
        await server.stop()
        await copy.close()
