"""Blobs that were changed or lost are named with the resources that need them, and put back from a backup."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.system.test_backup import answer, run_job, treering
from tests.system.up import up

from treering.adapters.blob_check import BlobCheck, digests_in
from treering.adapters.blobs import LocalBlobs
from treering.config import Home

pytestmark = pytest.mark.anyio


def blob_with(home: Home, content: bytes) -> Path:
    (found,) = [path for path in (home.blobs / "sha256").glob("??/*") if path.read_bytes() == content]
    return found


async def test_a_changed_and_a_lost_file_are_named_with_what_needs_them_and_mended(tmp_path: Path) -> None:
    home, backup = Home(tmp_path / "home"), tmp_path / "backup"
    async with up(home.root):
        await run_job(home, "first")
        await answer(home, "backup", str(backup))
        assert (await answer(home, "blob", "verify"))["bad"] == []
    # When one byte of a job's output is changed on the disk, and its log is gone,
    changed, lost = blob_with(home, b"kept\n"), blob_with(home, b"said by the job\n")
    changed.chmod(0o644)
    changed.write_bytes(b"kepT\n")
    lost.unlink()
    # then both are named, with the job and the file in it, whether treering runs or not;
    done = await treering(home, "blob", "verify", "-o", "json")
    found = {one["digest"].removeprefix("sha256:"): one for one in json.loads(done.stdout)["bad"]}
    assert done.returncode == 1
    assert {name: one["problem"] for name, one in found.items()} == {changed.name: "changed", lost.name: "missing"}
    assert "job/first: file.txt" in found[changed.name]["used_by"]
    assert all(user.startswith("job/first: ") for one in found.values() for user in one["used_by"])
    # a download says what is true,
    async with up(home.root):
        target = str(tmp_path / "out")
        done = await treering(home, "job", "download", "--name", "first", "--download-path", target, "--all")
        assert done.returncode == 1 and "try again" not in done.stderr
    # and so does a backup into a new folder; from the old one all is put back.
    done = await treering(home, "backup", str(tmp_path / "other"))
    assert done.returncode == 1 and "treering blob verify" in done.stderr
    mended = await answer(home, "blob", "verify", "--mend-from", str(backup))
    assert (mended["mended"], mended["bad"]) == (2, [])
    assert changed.read_bytes() == b"kept\n" and lost.read_bytes() == b"said by the job\n"
    assert (await answer(home, "blob", "verify"))["bad"] == []
    # The damaged file that was set aside is in no backup's way.
    await answer(home, "backup", str(tmp_path / "third"))


async def test_any_byte_of_any_blob_is_found(tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path / "blobs")
    digests = [await store.put_bytes(bytes([number]) * (number + 1)) for number in range(100)]
    check = BlobCheck(tmp_path / "blobs", tmp_path / "none.db")
    assert (check.run().blobs, check.run().bad) == (100, [])
    for digest in digests[::10]:
        path = store.path_of(digest)
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    bad = BlobCheck(tmp_path / "blobs", tmp_path / "none.db").run().bad
    assert [one.digest for one in bad] == sorted(digests[::10])


async def test_where_nothing_is_kept_that_is_said(tmp_path: Path) -> None:
    done = await treering(Home(tmp_path / "home"), "blob", "verify")
    assert done.returncode == 1 and "(blob.no_store)" in done.stderr


DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("events", "count"),
    [
        ([{"outputs": {"model": {"digest": DIGEST}}, "logs": DIGEST}], 2),
        ([{"spec": {"code": DIGEST, "inputs": {"x": {"digest": ""}}}}], 1),
        ([{"datasets": [{"name": "d", "digest": DIGEST}]}], 0),
        ([{"description": DIGEST}], 0),
    ],
)
def test_what_names_a_blob(events: Any, count: int) -> None:
    assert len(list(digests_in(events))) == count
