"""HEAD: what a GET would answer, without the body. Tools ask so for the size of a file before they fetch it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.services.mlflow_example import Mlflow, mlflow_gateway

from treering.testing.nats import RunningNats
from treering_services.gateway.mlflow.artifact_content import WHOLE_BYTES_MAX

pytestmark = pytest.mark.anyio
FILES = "/api/2.0/mlflow-artifacts/artifacts"
WAIT_SECONDS = 10.0


@pytest.fixture
async def mlflow(nats_server: RunningNats) -> AsyncIterator[Mlflow]:
    async with mlflow_gateway(nats_server) as running:
        yield running


@pytest.mark.parametrize("size", [0, 5, WHOLE_BYTES_MAX + 1])
async def test_a_head_of_an_artifact_has_its_length_and_no_body(mlflow: Mlflow, size: int) -> None:
    run = await mlflow.run()
    path = f"{FILES}/0/{run}/artifacts/a.txt"
    assert (await mlflow.api.ask("PUT", path, b"x" * size)).status == 200
    for place in (path, f"/get-artifact?run_id={run}&path=a.txt"):
        head = await mlflow.api.ask("HEAD", place, headers={"range": "bytes=1-2"})
        assert (head.status, head.headers["content-length"], head.body) == (200, str(size), b"")
        assert head.headers["content-type"].startswith("text/plain")


async def test_a_head_says_what_the_get_of_any_other_path_would(mlflow: Mlflow) -> None:
    run = await mlflow.run()
    for path in (
        f"/api/2.0/mlflow/runs/get?run_id={run}",
        "/api/2.0/mlflow/runs/get?run_id=none",
        "/health",
        "/v1/workspaces/w",
        "/v1/blobs/sha256:" + "0" * 64,
        "/no/such/path",
    ):
        get, head = await mlflow.api.ask("GET", path), await mlflow.api.ask("HEAD", path)
        assert (head.status, head.body) == (get.status, b""), path
        assert head.headers["content-length"] == get.headers["content-length"], path


async def test_a_head_of_a_stream_ends_at_once_and_the_connection_goes_on(mlflow: Mlflow) -> None:
    def asked() -> list[int]:
        with mlflow.api.connection() as connection:
            found = []
            for method, path in (("HEAD", "/v1/workspaces/w/events"), ("GET", "/health")):
                connection.request(method, path, headers=mlflow.api.authorization(None))
                answer = connection.getresponse()
                answer.read()
                found.append(answer.status)
            return found

    async with asyncio.timeout(WAIT_SECONDS):
        assert await asyncio.to_thread(asked) == [200, 200]
