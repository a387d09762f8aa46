"""What every ``Blobs`` does. A test class inherits this and gives a fixture ``blobs``."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from treering.kernel.blobs import Blobs
from treering.kernel.refusal import Refused

ABSENT = "sha256:" + "0" * 64
DATA = b"one two three"
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def broken_stream() -> AsyncIterator[bytes]:
    yield DATA
    raise ConnectionError("the sender is gone")


async def content(blobs: Blobs, digest: str, start: int = 0) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(digest, start)])


class BlobContract:
    async def test_bytes_come_back_under_their_sha256(self, blobs: Blobs) -> None:
        assert await blobs.put_bytes(DATA) == DIGEST
        assert await content(blobs, DIGEST) == DATA
        assert await blobs.size(DIGEST) == len(DATA)

    async def test_the_empty_blob_is_a_blob(self, blobs: Blobs) -> None:
        digest = await blobs.put_bytes(b"")
        assert await blobs.size(digest) == 0
        assert await content(blobs, digest) == b""

    async def test_the_same_bytes_may_be_put_again_in_any_way(self, blobs: Blobs, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(DATA)
        put = [await blobs.put_bytes(DATA), await blobs.put_file(tmp_path / "file")]
        put.append(await blobs.put_stream(stream(DATA[:3], DATA[3:]), DIGEST))
        assert put == [DIGEST] * 3
        assert await content(blobs, DIGEST) == DATA

    async def test_a_file_larger_than_a_chunk_comes_back_whole(self, blobs: Blobs, tmp_path: Path) -> None:
        data = bytes(range(256)) * 10_000
        (tmp_path / "file").write_bytes(data)
        digest = await blobs.put_file(tmp_path / "file")
        assert await content(blobs, digest) == data

    async def test_reading_may_start_anywhere(self, blobs: Blobs) -> None:
        await blobs.put_bytes(DATA)
        assert [await content(blobs, DIGEST, start) for start in (4, len(DATA), 99)] == [DATA[4:], b"", b""]

    async def test_other_content_than_expected_is_not_stored(self, blobs: Blobs) -> None:
        with pytest.raises(Refused) as refused:
            await blobs.put_stream(stream(DATA), ABSENT)
        assert refused.value.code == "blob.digest_mismatch"
        assert await blobs.missing([DIGEST, ABSENT]) == [DIGEST, ABSENT]

    async def test_half_a_stream_is_not_stored(self, blobs: Blobs) -> None:
        with pytest.raises(ConnectionError):
            await blobs.put_stream(broken_stream())
        assert await blobs.size(DIGEST) is None

    async def test_missing_names_each_absent_digest_once(self, blobs: Blobs) -> None:
        await blobs.put_bytes(DATA)
        assert await blobs.missing([ABSENT, DIGEST, ABSENT]) == [ABSENT]

    async def test_an_absent_blob_is_refused(self, blobs: Blobs) -> None:
        assert await blobs.size(ABSENT) is None
        with pytest.raises(Refused) as refused:
            await content(blobs, ABSENT)
        assert refused.value.code == "blob.absent"

    @pytest.mark.parametrize("digest", ["", "sha256:abc", "sha256:../../etc/passwd", "md5:" + "0" * 64, ABSENT + "\n"])
    async def test_what_is_no_digest_is_refused(self, blobs: Blobs, digest: str) -> None:
        with pytest.raises(Refused) as refused:
            await blobs.size(digest)
        assert refused.value.code == "blob.digest_invalid"
