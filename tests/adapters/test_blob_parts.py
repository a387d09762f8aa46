"""Uploads in parts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from treering.adapters.blob_parts import BlobParts
from treering.adapters.blobs import ABANDONED_SECONDS, LocalBlobs
from treering.kernel.blobs import digest_of
from treering.kernel.refusal import Refused

pytestmark = pytest.mark.anyio


@pytest.fixture
def parts(tmp_path: Path) -> BlobParts:
    return BlobParts(LocalBlobs(tmp_path / "blobs"))


async def stream(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_parts_in_any_order_become_one_blob(parts: BlobParts) -> None:
    upload = await parts.create()
    sent = {number: await parts.put(upload, number, stream(b"%d" % number * 3)) for number in (2, 10, 1)}
    digest, size = await parts.complete(upload, list(sent.items()))
    assert (digest, size) == (digest_of(b"111222101010"), 12)
    assert parts.blobs.path_of(digest).read_bytes() == b"111222101010"
    assert list(parts.root.iterdir()) == []


async def test_a_part_sent_again_replaces_the_one_before(parts: BlobParts) -> None:
    upload = await parts.create()
    first = await parts.put(upload, 1, stream(b"a"))
    second = await parts.put(upload, 1, stream(b"b"))
    with pytest.raises(Refused, match="was not sent"):
        await parts.complete(upload, [(1, first)])
    assert await parts.complete(upload, [(1, second)]) == (digest_of(b"b"), 1)


@pytest.mark.parametrize("said", [[], [(1, "../../etc/passwd")], [(2, "0" * 64)], [(1, ""), (1, "")]])
async def test_what_was_not_sent_completes_nothing(parts: BlobParts, said: list[tuple[int, str]]) -> None:
    upload = await parts.create()
    await parts.put(upload, 1, stream(b"a"))
    with pytest.raises(Refused):
        await parts.complete(upload, said)
    assert await parts.blobs.size(digest_of(b"a")) is None


@pytest.mark.parametrize("upload", ["", "..", "../incoming", "0" * 32])
async def test_an_upload_that_was_not_begun_takes_nothing(parts: BlobParts, upload: str) -> None:
    for act in (parts.put(upload, 1, stream(b"a")), parts.complete(upload, [(1, "0" * 64)]), parts.abort(upload)):
        with pytest.raises(Refused) as refused:
            await act
        assert refused.value.code == "upload.absent"


async def test_an_aborted_upload_leaves_nothing(parts: BlobParts) -> None:
    upload = await parts.create()
    await parts.put(upload, 1, stream(b"a"))
    await parts.abort(upload)
    assert list(parts.root.iterdir()) == [] and list(parts.blobs.incoming.iterdir()) == []


async def test_an_upload_nobody_completes_is_removed_after_a_day(parts: BlobParts) -> None:
    old = parts.root / await parts.create()
    before = old.stat().st_mtime - ABANDONED_SECONDS - 60
    os.utime(old, (before, before))
    young = await parts.create()
    assert [folder.name for folder in parts.root.iterdir()] == [young]
