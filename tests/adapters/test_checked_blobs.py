"""A blob whose file was changed is never taken for what its name says, however it is read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from treering.adapters import known_blobs
from treering.adapters.blob_parts import BlobParts
from treering.adapters.blobs import LocalBlobs
from treering.adapters.checked_blobs import CHUNK_BYTES
from treering.adapters.damaged_blobs import noted
from treering.adapters.trees import materialise, put_tree, read_manifest
from treering.kernel.blobs import digest_of
from treering.kernel.clock import monotonic_seconds
from treering.kernel.refusal import Refused
from treering.testing.blob_contract import stream

pytestmark = pytest.mark.anyio
SIZES = [1, 1000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


async def stored(root: Path, data: bytes) -> LocalBlobs:
    """A store as another process finds it."""
    await LocalBlobs(root).put_bytes(data)
    return LocalBlobs(root)


def flip(path: Path, at: int = 0, *, keep_times: bool = False) -> None:
    """Change one bit, as root, a job with this user's rights, or a disk does."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    path.chmod(0o444)
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def grow(path: Path) -> None:
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(b"more")


async def received(blobs: LocalBlobs, digest: str, start: int = 0, end: int | None = None) -> bytes:
    """What a reader got before it was refused, or all."""
    got = b""
    try:
        async for chunk in blobs.read(digest, start, end):
            got += chunk
    except Refused as refused:
        assert refused.code == "blob.damaged"
        return got + b"(refused)"
    return got


@pytest.mark.parametrize("size", SIZES)
async def test_the_last_chunk_of_a_changed_blob_is_never_sent(root: Path, size: int) -> None:
    data = os.urandom(size)
    for at in {0, size - 1}:
        blobs = await stored(root, data)
        assert await received(blobs, digest_of(data)) == data
        blobs = LocalBlobs(root)
        flip(blobs.path_of(digest_of(data)), at)
        got = await received(blobs, digest_of(data))
        assert got.endswith(b"(refused)") and len(got) - len(b"(refused)") < size
        blobs.path_of(digest_of(data)).unlink()


@pytest.mark.parametrize("change", ["longer", "shorter", "empty"])
async def test_a_blob_of_another_length_is_refused(root: Path, change: str) -> None:
    data = os.urandom(2 * CHUNK_BYTES)
    blobs = await stored(root, data)
    path = blobs.path_of(digest_of(data))
    path.chmod(0o644)
    path.write_bytes({"longer": data + b"x", "shorter": data[:-1], "empty": b""}[change])
    assert (await received(blobs, digest_of(data))).endswith(b"(refused)")
    assert (await received(blobs, digest_of(data), 0, len(data))) == b"(refused)"


async def test_a_part_of_a_changed_blob_is_not_sent_at_all(root: Path) -> None:
    data = os.urandom(3 * CHUNK_BYTES)
    blobs = await stored(root, data)
    assert await received(blobs, digest_of(data), 5, 9) == data[5:9]
    assert await received(blobs, digest_of(data), 0, 9) == data[:9]
    flip(blobs.path_of(digest_of(data)), len(data) - 1)
    for part in ((5, 9), (0, 9), (5, None), (len(data), None)):
        assert await received(blobs, digest_of(data), *part) == b"(refused)"
    assert await received(LocalBlobs(root), digest_of(data), 0, 9) == b"(refused)"


async def test_a_change_that_puts_size_and_time_back_is_found(root: Path) -> None:
    data = b"the same length"
    blobs = await stored(root, data)
    assert await received(blobs, digest_of(data)) == data
    flip(blobs.path_of(digest_of(data)), keep_times=True)
    assert await received(blobs, digest_of(data)) == b"(refused)"


async def test_a_blob_that_changes_while_it_is_read_is_refused_before_its_end(root: Path) -> None:
    data = os.urandom(4 * CHUNK_BYTES)
    blobs = LocalBlobs(root)
    digest = await blobs.put_bytes(data)
    assert blobs.checks.is_good(digest)
    got = 0
    with pytest.raises(Refused, match=r"blob\.damaged"):
        async for chunk in blobs.read(digest):
            got += len(chunk)
            if got == CHUNK_BYTES:
                flip(blobs.path_of(digest), len(data) - 1)
    assert got < len(data)


async def test_a_blob_that_grows_while_it_is_read_is_refused_before_its_end(root: Path) -> None:
    data = os.urandom(4 * CHUNK_BYTES - 5)
    for blobs in (LocalBlobs(root), await stored(root, data)):
        digest = await blobs.put_bytes(data)
        path, got = blobs.path_of(digest), 0
        with pytest.raises(Refused, match=r"blob\.damaged"):
            async for chunk in blobs.read(digest):
                got += len(chunk)
                if got == CHUNK_BYTES:
                    grow(path)
        assert got < len(data)
        os.truncate(path, len(data))


async def test_a_known_blob_is_not_hashed_again_until_a_day_has_passed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"kept"
    blobs = LocalBlobs(root)
    digest = await blobs.put_bytes(data)
    hashed: list[bool] = []
    found = blobs.checks.found

    def noting(digest: str, stamp: known_blobs.Stamp | None, good: bool) -> None:
        hashed.append(good)
        found(digest, stamp, good)

    monkeypatch.setattr(blobs.checks, "found", noting)
    day = known_blobs.HASHED_SECONDS_MAX
    for _ in range(3):
        assert await received(blobs, digest) == data
    assert hashed == []
    # A disk that rots changes neither size nor times; the file is the same for all that can be seen from outside.
    path = blobs.path_of(digest)
    before, known = path.stat(), blobs.checks.known
    flip(path)
    known.remember(digest, known_blobs.Stamp.of(path.stat()), True)
    late = monotonic_seconds() + day + 1
    monkeypatch.setattr(known_blobs, "monotonic_seconds", lambda: late)
    assert (await received(blobs, digest)) != data and before.st_size == len(data)
    await asyncio.gather(*blobs.checks.hashing.values(), return_exceptions=True)
    assert hashed == [False]
    assert await received(blobs, digest) == b"(refused)"


async def test_readers_who_come_at_once_for_a_part_share_one_hashing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(2 * CHUNK_BYTES)
    blobs = await stored(root, data)
    hashed: list[str] = []
    require = blobs.checks.require

    def noting(digest: str) -> known_blobs.Stamp:
        hashed.append(digest)
        return require(digest)

    monkeypatch.setattr(blobs.checks, "require", noting)
    asked = [blobs.checks.ensure(digest_of(data)) for _ in range(20)]
    assert len(set(await asyncio.gather(*asked))) == 1
    assert hashed == [digest_of(data)]


async def test_putting_a_damaged_blob_again_mends_it(root: Path, tmp_path: Path) -> None:
    data = b"worth keeping"
    digest = digest_of(data)
    (tmp_path / "file").write_bytes(data)
    ways: list[Callable[[LocalBlobs], Awaitable[str]]] = [
        lambda blobs: blobs.put_bytes(data),
        lambda blobs: blobs.put_file(tmp_path / "file"),
        lambda blobs: blobs.put_stream(stream(data), digest),
    ]
    for put in ways:
        blobs = await stored(root, data)
        flip(blobs.path_of(digest))
        assert await received(blobs, digest) == b"(refused)"
        assert noted(root) == await LocalBlobs(root).missing([digest]) == [digest]
        await put(LocalBlobs(root))
        assert await received(blobs, digest) == data
        assert list(noted(root)) == await blobs.missing([digest]) == []


async def test_no_user_of_blobs_takes_changed_bytes_as_truth(root: Path, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("print('true')")
    tree = (await put_tree(LocalBlobs(root), tmp_path / "src")).digest
    file = (await read_manifest(LocalBlobs(root), tree)).files[0].digest
    uses: list[tuple[str, Callable[[LocalBlobs], Awaitable[object]]]] = [
        (tree, lambda blobs: read_manifest(blobs, tree)),
        (tree, lambda blobs: materialise(blobs, tree, tmp_path / "out-1", writable=False)),
        (file, lambda blobs: materialise(blobs, tree, tmp_path / "out-2", writable=False)),
        (file, lambda blobs: materialise(blobs, tree, tmp_path / "out-3", writable=True)),
        (file, lambda blobs: asyncio.to_thread(blobs.copy_to, file, tmp_path / "copy", 0o444)),
        (file, lambda blobs: LocalBlobs(tmp_path / "backup").put_stream(blobs.read(file), file)),
    ]
    for digest, use in uses:
        path = LocalBlobs(root).path_of(digest)
        flip(path)
        with pytest.raises(Refused, match=r"blob\.damaged.*--mend-from"):
            await use(LocalBlobs(root))
        flip(path)
    assert "copy" not in os.listdir(tmp_path)
    assert [names for path, _, names in os.walk(tmp_path) if names and "/out-" in path] == []


async def test_a_part_of_an_upload_that_was_changed_is_not_joined(root: Path) -> None:
    parts = BlobParts(LocalBlobs(root))
    upload = await parts.create()
    etag = await parts.put(upload, 1, stream(b"sent"))
    flip(parts.root / upload / f"1-{etag}")
    with pytest.raises(Refused, match=r"upload\.part_damaged"):
        await parts.complete(upload, [(1, etag)])
    assert await parts.complete(upload, [(1, await parts.put(upload, 1, stream(b"sent")))]) == (digest_of(b"sent"), 4)


async def test_the_memory_of_hashed_blobs_is_bounded(root: Path) -> None:
    known = known_blobs.KnownBlobs(known_max=2)
    stamp = known_blobs.Stamp(1, 2, 3, 4)
    for name in ("a", "b", "c"):
        known.remember(name, stamp, True)
    assert [known.state(name, stamp) for name in ("a", "b", "c")] == ["unknown", "good", "good"]
