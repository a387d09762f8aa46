"""Every way to bring content in, when a file may not become as large as it: 507 with the reason, and nothing left."""

from __future__ import annotations

import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.services.gateway_example import Api, Reply, running_gateway

from treering.adapters.blobs import LocalBlobs
from treering.kernel.blobs import digest_of
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024
DATA = os.urandom(4 * MIB)
PROXY = "/api/2.0/mlflow-artifacts"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


@contextmanager
def file_limit(size_bytes: int) -> Iterator[None]:
    """As ``prlimit --fsize``, of this process only: the nats-server keeps its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def upload_of(api: Api, *parts: bytes) -> tuple[str, list[dict[str, Any]], Reply | None]:
    """An upload in parts under way; the reply to the first part that was refused."""
    made = (await api.ask("POST", f"{PROXY}/mpu/create/big", {"path": "big.bin", "num_parts": len(parts)})).json
    etags: list[dict[str, Any]] = []
    for number, data in enumerate(parts, start=1):
        reply = await api.ask("PUT", f"{PROXY}/mpu/parts/{made['upload_id']}/{number}", data)
        if reply.status != 200:
            return made["upload_id"], etags, reply
        etags.append({"part_number": number, "etag": reply.headers["etag"], "url": ""})
    return made["upload_id"], etags, None


async def test_each_way_in_says_why_it_took_nothing_and_takes_it_when_the_limit_is_gone(api: Api) -> None:
    text = {"content-type": "text/plain"}
    halves = (DATA[: 2 * MIB], DATA[2 * MIB :])
    with file_limit(3 * MIB):
        blob = await api.ask("PUT", f"/v1/blobs/{digest_of(DATA)}", DATA)
        assert (blob.status, blob.code) == (507, "disk.full") and "ulimit -f" in blob.json["detail"]
        artifact = await api.ask("PUT", f"{PROXY}/artifacts/big.bin", DATA, text)
        _, _, part = await upload_of(api, DATA)
        upload, etags, refused = await upload_of(api, *halves)
        assert refused is None
        complete = {"path": "big.bin", "upload_id": upload, "parts": etags}
        whole = await api.ask("POST", f"{PROXY}/mpu/complete/big", complete)
        for reply in (artifact, part, whole):
            assert reply is not None and "ulimit -f" in reply.json["message"], reply
            assert reply.json["error_code"] == "RESOURCE_EXHAUSTED"
        assert os.listdir(api.home.blobs / "incoming") == []
    assert (await api.ask("POST", f"{PROXY}/mpu/complete/big", complete)).status == 200
    assert (await api.ask("PUT", f"/v1/blobs/{digest_of(DATA)}", DATA)).status == 201


async def test_a_copy_that_meets_the_limit_leaves_nothing(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    digest = await blobs.put_bytes(DATA)
    with file_limit(3 * MIB), pytest.raises(OSError, match="too large"):
        blobs.copy_to(digest, tmp_path / "copy", 0o444)
    assert not (tmp_path / "copy").exists() and blobs.checks.is_good(digest)
