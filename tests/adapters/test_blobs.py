"""Blobs in a folder: the contract, and what a folder adds to it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import anyio
import pytest

from treering.adapters.blobs import ABANDONED_SECONDS, LocalBlobs
from treering.testing.blob_contract import DATA, DIGEST, BlobContract, broken_stream

pytestmark = pytest.mark.anyio


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


class TestLocalBlobs(BlobContract):
    pass


async def test_a_blob_is_a_read_only_file(blobs: LocalBlobs) -> None:
    await blobs.put_bytes(DATA)
    assert stat.S_IMODE(blobs.path_of(DIGEST).stat().st_mode) == 0o444


async def test_nothing_stays_behind_of_what_was_not_kept(blobs: LocalBlobs) -> None:
    with pytest.raises(ConnectionError):
        await blobs.put_stream(broken_stream())
    await blobs.put_bytes(DATA)
    assert list(blobs.incoming.iterdir()) == []


async def test_many_may_put_the_same_blob_at_once(blobs: LocalBlobs) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(LocalBlobs(blobs.root).put_bytes, DATA)
    assert blobs.path_of(DIGEST).read_bytes() == DATA


def test_what_a_killed_process_left_is_removed_after_a_day(blobs: LocalBlobs) -> None:
    old, young = blobs.incoming / "old", blobs.incoming / "young"
    old.touch()
    young.touch()
    before = old.stat().st_mtime - ABANDONED_SECONDS - 60
    os.utime(old, (before, before))
    LocalBlobs(blobs.root)
    assert list(blobs.incoming.iterdir()) == [young]


CRASH = """
import os, sys
from pathlib import Path
from treering.adapters.blobs import LocalBlobs
setattr(os if sys.argv[1] == "fsync" else Path, sys.argv[1], lambda *_: os._exit(9))
LocalBlobs(Path(sys.argv[2])).store(sys.argv[3].encode())
"""


@pytest.mark.parametrize("dies_in", ["fsync", "replace"])
async def test_a_process_that_dies_before_the_rename_leaves_no_blob(blobs: LocalBlobs, dies_in: str) -> None:
    command = [sys.executable, "-c", CRASH, dies_in, str(blobs.root), DATA.decode()]
    assert (await anyio.run_process(command, check=False)).returncode == 9
    assert len(list(blobs.incoming.iterdir())) == 1
    assert await blobs.missing([DIGEST]) == [DIGEST]
    assert await blobs.put_bytes(DATA) == DIGEST
