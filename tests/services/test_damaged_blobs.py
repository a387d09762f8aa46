"""What a client gets of a blob that was changed on the disk: a refusal, or an answer that breaks off before its end."""

from __future__ import annotations

import asyncio
import http.client
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.services.gateway_example import Api, running_gateway

from treering.adapters.http_blobs import HttpBlobs
from treering.adapters.trees import Manifest, TreeFile
from treering.client.artifacts import download_artifacts
from treering.client.download import download_tree
from treering.client.http import Client
from treering.kernel.blobs import digest_of
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
LARGE = os.urandom(3 * 1024 * 1024 + 17)
SMALL = os.urandom(1000)
ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/d/model.bin"


@pytest.fixture
async def api(nats_server: RunningNats) -> AsyncIterator[Api]:
    async with running_gateway(nats_server) as running:
        yield running


def change(api: Api, data: bytes) -> None:
    """The last byte of the blob, as a job could that runs without a sandbox."""
    name = digest_of(data).removeprefix("sha256:")
    path = api.home.blobs / "sha256" / name[:2] / name
    path.chmod(0o644)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


async def put(api: Api, data: bytes) -> str:
    assert (await api.ask("PUT", f"/v1/blobs/{digest_of(data)}", data)).status == 201
    assert (await api.ask("PUT", ARTIFACT, data, {"content-type": "text/plain"})).status == 200
    return digest_of(data)


@pytest.mark.parametrize("headers", [{}, {"range": "bytes=1-"}, {"range": "bytes=1-9"}])
async def test_a_small_changed_blob_is_refused_on_every_way_out(api: Api, headers: dict[str, str]) -> None:
    digest = await put(api, SMALL)
    change(api, SMALL)
    reply = await api.ask("GET", f"/v1/blobs/{digest}", headers=headers)
    assert (reply.status, reply.code) == (500, "blob.damaged")
    assert "treering blob verify --mend-from" in reply.json["detail"]
    reply = await api.ask("GET", ARTIFACT, headers=headers)
    assert reply.status == 500 and "blob verify --mend-from" in reply.json["message"]


async def test_a_large_changed_blob_breaks_off_before_its_last_chunk_and_is_refused_from_then_on(api: Api) -> None:
    digest = await put(api, LARGE)
    for path in (f"/v1/blobs/{digest}", ARTIFACT):
        assert (await api.ask("GET", path)).body == LARGE
    change(api, LARGE)
    with pytest.raises(http.client.IncompleteRead) as broken:
        await api.ask("GET", f"/v1/blobs/{digest}")
    assert len(broken.value.partial) < len(LARGE)
    reply = await api.ask("GET", ARTIFACT)
    assert reply.status == 500 and "blob verify" in reply.json["message"]


async def test_no_client_of_ours_takes_half_a_blob_for_the_whole(api: Api, tmp_path: Path) -> None:
    digest = await put(api, LARGE)
    manifest = msgspec.json.encode(Manifest((TreeFile("a/model.bin", len(LARGE), digest, False),)))
    tree = await HttpBlobs(client := Client(f"http://127.0.0.1:{api.port}", api.tokens.owner)).put_bytes(manifest)
    change(api, LARGE)
    for download in (
        lambda: download_artifacts(client, "mlflow-artifacts:/d", tmp_path / "got"),
        lambda: download_tree(client, tree, tmp_path / "got"),
    ):
        with pytest.raises(Exception, match=r"blob\.damaged|was lost|internal_error"):
            await asyncio.to_thread(download)
    assert [files for _, _, files in os.walk(tmp_path / "got") if files] == []
    client.close()


async def test_damage_is_a_warning_and_an_alert_until_the_blob_is_put_again(api: Api) -> None:
    digest = await put(api, SMALL)
    change(api, SMALL)
    assert (await api.ask("GET", f"/v1/blobs/{digest}")).code == "blob.damaged"
    raised = await alerted(api, "installation.alert")
    assert digest in raised["data"]["detail"] and raised["data"]["code"] == "blob.damaged"
    ready = await api.ask("GET", "/readyz")
    assert ready.status == 200 and ready.json["parts"]["blobs"]["code"] == "blob.damaged"
    assert (await api.ask("POST", "/v1/blobs/missing", {"digests": [digest]})).json == {"missing": [digest]}
    await put(api, SMALL)
    assert (await api.ask("GET", f"/v1/blobs/{digest}")).body == SMALL
    await alerted(api, "installation.alert_cleared")


async def alerted(api: Api, type: str) -> dict[str, dict[str, str]]:
    (event,) = await api.events(f"/v1/events?follow=true&type={type}", 1)
    found: dict[str, dict[str, str]] = msgspec.json.decode(event["data"])
    return found


async def test_a_model_whose_mlmodel_was_changed_is_not_registered(api: Api) -> None:
    mlmodel = b"flavors:\n  python_function:\n    loader_module: a.b\n"
    digest = await put(api, mlmodel)
    manifest = msgspec.json.encode(Manifest((TreeFile("MLmodel", len(mlmodel), digest, False),)))
    tree = digest_of(manifest)
    assert (await api.ask("PUT", f"/v1/blobs/{tree}", manifest)).status == 201
    change(api, mlmodel)
    body = {"name": "m", "type": "mlflow_model", "path": "m", "digest": tree}
    reply = await api.ask("POST", "/v1/workspaces/w/models", body)
    assert (reply.status, reply.code) == (500, "blob.damaged")


async def test_a_job_is_not_given_what_was_changed_before_it_was_submitted(api: Api) -> None:
    digest = await put(api, SMALL)
    change(api, SMALL)
    assert (await api.ask("GET", f"/v1/blobs/{digest}")).code == "blob.damaged"
    spec = {"command": "true", "environment": {"python": "3.11"}, "inputs": {"x": {"type": "uri_file", "path": "x"}}}
    spec["inputs"]["x"]["digest"] = digest  # type: ignore[index]
    assert (await api.ask("POST", "/v1/workspaces/w/jobs", {"spec": spec})).code == "blob.missing"
