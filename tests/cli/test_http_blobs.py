"""The blobs of an installation, over its API, do what every ``Blobs`` does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from treering.adapters.http_blobs import HttpBlobs
from treering.client.http import Client
from treering.testing.blob_contract import ABSENT, DATA, DIGEST, BlobContract

pytestmark = pytest.mark.anyio


@pytest.fixture
def blobs(installation: Path, request: pytest.FixtureRequest) -> Iterator[HttpBlobs]:
    """Empty for each test: what one stored another must not find."""
    for digest in (DIGEST, ABSENT):
        name = digest.removeprefix("sha256:")
        (installation / "blobs" / "sha256" / name[:2] / name).unlink(missing_ok=True)
    with Client.of_home(installation) as client:
        yield HttpBlobs(client)


class TestHttpBlobs(BlobContract):
    async def test_what_is_there_is_not_sent_again(self, blobs: HttpBlobs) -> None:
        await blobs.put_bytes(DATA)
        assert await blobs.missing([DIGEST]) == []
        assert blobs.sent_bytes == len(DATA)
