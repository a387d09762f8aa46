"""What a backup says of itself when its files are gone, are something else, or are another's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from treering.adapters.backup import make_backup
from treering.adapters.backup_archive import folder_beside, pack, unpack
from treering.adapters.backup_keys import collect, read_keys_apart
from treering.adapters.backup_restore import restore_backup
from treering.adapters.nats_credentials import make_private_folder
from treering.adapters.signing import make_log_key
from treering.config import Home
from treering.kernel.refusal import Refused


async def what_is_no_file_is_named(home: Home, backup: Path, path: Path) -> None:
    """Gone, a folder, a FIFO: both ways say so of ``path``, in a sentence, and wait for nothing."""
    aside, empty = backup.with_name("aside"), Home(backup.with_name("empty-form"))
    os.rename(path, aside)
    with pytest.raises(Refused, match=r"backup\.(damaged|absent)") as refused:
        await restore_backup(backup, empty, passphrase=b"correct horse battery")
    assert str(path if path.name != "backup.json" else backup) in refused.value.detail
    for make, remove in ((os.mkfifo, os.unlink), (os.mkdir, os.rmdir)):
        make(path)
        for work in (restore_backup(backup, empty, passphrase=b"correct horse battery"), make_backup(home, backup)):
            with pytest.raises(Refused, match=r"backup\.invalid") as refused:
                await work
            assert f"{path} is a " in refused.value.detail and "a file is due" in refused.value.detail
        remove(path)
    os.rename(aside, path)
    assert not empty.root.exists()


async def damage_is_said_of_the_archive(backup: Path, tmp_path: Path) -> None:
    """What was unpacked is gone when the sentence is read: it names no file of it, nor advice that needs one."""
    archive, home = tmp_path / "damaged.tar", Home(tmp_path / "unpacked")
    blob = next(path for path in (backup / "blobs").rglob("sha256/*/*"))
    for part in (blob, backup / "log.db", backup / "blobs.list", backup / "deliveries.db", backup / "backup.json"):
        for damage in (cut, Path.unlink):
            kept = part.read_bytes()
            part.chmod(0o600)
            damage(part)
            pack(backup, archive)
            part.write_bytes(kept)
            said = await refused_from(archive, home)
            assert str(archive) in said and ".unpacked." not in said, (part, said)
            assert "treering log" not in said and "treering blob" not in said, said


async def keys_of_another_installation_are_told_apart(backup: Path, tmp_path: Path) -> None:
    keys, other = tmp_path / "other-keys.json", Home(tmp_path / "other-keys")
    make_private_folder(other.keys)
    make_log_key(other.keys)
    with pytest.raises(Refused, match=r"backup\.other_keys") as refused:
        await restore_backup(backup, Home(tmp_path / "unpacked"), keys=collect(other))
    assert "of another installation" in refused.value.detail and "treering log" not in refused.value.detail
    keys.write_bytes(b"[1]")
    with pytest.raises(Refused, match=r"backup\.keys") as refused:
        read_keys_apart(keys)
    assert f"{keys} does not hold the keys of a backup" in refused.value.detail
    assert not (tmp_path / "unpacked").exists()


async def refused_from(archive: Path, home: Home) -> str:
    """As ``treering restore`` does it."""
    with pytest.raises(Refused, match=r"backup\.") as refused, folder_beside(home.root) as folder:
        unpack(archive, folder)
        await restore_backup(folder, home, with_keys=False, archive=archive)
    assert not home.root.exists()
    return refused.value.detail


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
