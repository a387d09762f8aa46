"""What is noted about damaged blobs, by whom, and until when."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from treering.adapters import doctor_store
from treering.adapters.blob_check import BlobCheck, mend
from treering.adapters.blobs import LocalBlobs
from treering.adapters.damaged_blobs import NOTES_MAX, note_damaged, noted
from treering.config import Home
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio
PLACES = ("FIFO", "link to /dev/zero", "folder", "nothing to read")


def put_in_place(path: Path, what: str) -> None:
    path.unlink()
    match what:
        case "FIFO":
            os.mkfifo(path)
        case "link to /dev/zero":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case _:
            path.touch()


@pytest.mark.parametrize("what", PLACES)
async def test_something_else_in_the_place_of_a_blob_is_refused_and_never_waited_for(tmp_path: Path, what: str) -> None:
    digest = await LocalBlobs(tmp_path / "blobs").put_bytes(b"data")
    blobs = LocalBlobs(tmp_path / "blobs")
    put_in_place(blobs.path_of(digest), what)
    with pytest.raises(Refused, match=r"blob\.damaged"):
        async for _ in blobs.read(digest):
            pass
    with pytest.raises(Refused, match=r"blob\.damaged"):
        blobs.copy_to(digest, tmp_path / "copy", 0o444)
    assert noted(blobs.root) == [digest]
    (bad,) = BlobCheck(blobs.root, tmp_path / "none.db").run().bad
    assert bad.digest == digest


async def test_doctor_names_what_was_found_until_it_is_mended(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    digest = await LocalBlobs(home.blobs).put_bytes(b"data")
    await LocalBlobs(tmp_path / "backup").put_bytes(b"data")
    assert [one.state for one in doctor_store.blobs(home)] == ["ok"]
    path = LocalBlobs(home.blobs).path_of(digest)
    path.chmod(0o644)
    path.write_bytes(b"Data")
    bad = BlobCheck(home.blobs, tmp_path / "none.db").run().bad
    (found,) = doctor_store.blobs(home)
    assert found.state == "wrong" and digest in found.found and "--mend-from" in found.advice
    assert await mend(home.blobs, bad, tmp_path / "backup") == []
    assert [one.state for one in doctor_store.blobs(home)] == ["ok"]


async def test_verify_takes_back_what_is_not_so_any_more(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    note_damaged(blobs.root, await blobs.put_bytes(b"data"))
    assert BlobCheck(blobs.root, tmp_path / "none.db").run().bad == []
    assert list(noted(blobs.root)) == []


def test_notes_are_bounded(tmp_path: Path) -> None:
    for number in range(NOTES_MAX + 10):
        note_damaged(tmp_path, f"sha256:{number:064x}")
    assert len(noted(tmp_path)) == NOTES_MAX
