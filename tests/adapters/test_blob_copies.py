"""What a job gets of a blob is its own: whatever it does to it, the blob stays."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from treering.adapters import blob_copies
from treering.adapters.blobs import LocalBlobs
from treering.adapters.checked_blobs import CHUNK_BYTES
from treering.kernel.blobs import digest_of
from treering.kernel.refusal import Refused

DATA = os.urandom(2 * CHUNK_BYTES + 5)
DIGEST = digest_of(DATA)


@pytest.fixture(params=["in the kernel", "by hand"])
def blobs(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LocalBlobs:
    """A store with one blob, in both ways to copy that every file system has."""
    if request.param == "by hand":
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    LocalBlobs(tmp_path / "blobs").store(DATA)
    return LocalBlobs(tmp_path / "blobs")


@pytest.mark.parametrize("known", [False, True])
def test_a_job_that_writes_into_its_copy_leaves_the_blob(blobs: LocalBlobs, tmp_path: Path, known: bool) -> None:
    if known:
        blobs.checks.require(DIGEST)
    copy = tmp_path / "copy"
    blobs.copy_to(DIGEST, copy, 0o444)
    assert copy.read_bytes() == DATA and copy.stat().st_nlink == 1
    copy.chmod(0o644)
    copy.write_bytes(b"changed")
    LocalBlobs(blobs.root).checks.require(DIGEST)


@pytest.mark.parametrize("known", [False, True])
def test_a_changed_blob_is_not_copied(blobs: LocalBlobs, tmp_path: Path, known: bool) -> None:
    if known:
        blobs.checks.require(DIGEST)
    path = blobs.path_of(DIGEST)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    with pytest.raises(Refused, match=r"blob\.damaged"):
        blobs.copy_to(DIGEST, tmp_path / "copy", 0o444)
    assert not (tmp_path / "copy").exists()


def test_a_file_that_is_there_already_is_never_written_into(blobs: LocalBlobs, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "copy").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        blobs.copy_to(DIGEST, tmp_path / "copy", 0o444)
    assert (tmp_path / "victim").read_text() == "mine"


def clones(folder: Path) -> bool:
    with (folder / "one").open("w+b") as one, (folder / "two").open("wb") as two:
        one.write(b"x" * 65536)
        one.flush()
        try:
            fcntl.ioctl(two.fileno(), blob_copies.FICLONE, one.fileno())
        except OSError as error:
            assert error.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL)
            return False
    return True


def test_a_clone_is_hashed_before_a_job_gets_it(blobs: LocalBlobs, tmp_path: Path) -> None:
    if not clones(tmp_path):
        pytest.skip(f"the file system of {tmp_path} cannot clone files")
    blobs.copy_to(DIGEST, tmp_path / "copy", 0o444)
    assert (tmp_path / "copy").read_bytes() == DATA and blobs.checks.is_good(DIGEST)
    path = blobs.path_of(DIGEST)
    path.chmod(0o644)
    path.write_bytes(b"x" * len(DATA))
    with pytest.raises(Refused, match=r"blob\.damaged"):
        LocalBlobs(blobs.root).copy_to(DIGEST, tmp_path / "other", 0o444)
