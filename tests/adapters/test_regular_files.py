"""What has no end, or blocks whoever opens it, is refused at once, whichever way it is handed in."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from treering.adapters.blobs import LocalBlobs
from treering.adapters.http_blobs import HttpBlobs
from treering.adapters.regular_files import open_regular
from treering.adapters.trees import put_tree
from treering.client.http import Client
from treering.client.submission import with_digest
from treering.domain.job_spec import InputSpec
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio
Taking = Callable[[LocalBlobs, Path], Awaitable[object]]


def nowhere() -> HttpBlobs:
    """An installation that is not there: a refusal must come before it is asked."""
    return HttpBlobs(Client("http://127.0.0.1:1", "token"))


WAYS: dict[str, Taking] = {
    "a blob": lambda blobs, path: blobs.put_file(path),
    "a tree": lambda blobs, path: put_tree(blobs, path),
    "a file of a tree": lambda blobs, path: put_tree(blobs, path.parent, ignore=False),
    "an upload": lambda blobs, path: nowhere().put_file(path),
    "an input": lambda blobs, path: with_digest(nowhere(), InputSpec(type="uri_file", path="x"), path),
    "an input folder": lambda blobs, path: with_digest(nowhere(), InputSpec(type="uri_folder", path="x"), path),
}


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    # The path of a socket may have 107 characters, and folders of tests are long.
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


MADE: dict[str, Callable[[Path], None]] = {"FIFO": fifo, "socket": listening, "device": zero}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MADE)
async def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str, way: str) -> None:
    (tmp_path / "in").mkdir()
    MADE[kind](path := tmp_path / "in" / "special")
    with pytest.raises(Refused) as refused:
        await WAYS[way](LocalBlobs(tmp_path / "blobs"), path)
    assert refused.value.code in ("tree.special_file", "tree.symlink")
    assert os.listdir(tmp_path / "blobs" / "incoming") == []


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/tty", "/proc/self/fd/0", "/proc/cpuinfo", "/dev/stdin"])
@pytest.mark.parametrize("way", sorted(WAYS.keys() - {"a file of a tree"}))
async def test_a_device_is_refused_by_its_own_name(tmp_path: Path, device: str, way: str) -> None:
    with pytest.raises((Refused, OSError)) as refused:
        await WAYS[way](LocalBlobs(tmp_path / "blobs"), Path(device))
    assert getattr(refused.value, "code", "tree.changed") in ("tree.special_file", "tree.changed", "tree.absent")


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"x" * 100_000)
    with open_regular(path) as file:
        read = file.read(10)
        with path.open("ab") as writer:
            writer.write(b"y" * 1_000_000)
        with pytest.raises(Refused, match=r"tree\.changed.*grew while it was read"):
            while chunk := file.read(65_536):
                read += chunk
    assert len(read) <= 100_000


def test_a_link_to_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    with pytest.raises(Refused, match=r"tree\.special_file.*symbolic link"):
        open_regular(tmp_path / "link")


def test_a_regular_file_is_read_whole(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(data)
    with open_regular(tmp_path / "file") as file:
        assert file.read() == data
