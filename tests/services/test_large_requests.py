"""What MLflow takes is stored, however large a message of NATS would be; what is beyond our own limit is said so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.services.mlflow_example import Mlflow, mlflow_gateway, pairs

from treering.client import AsyncClient
from treering.testing.nats import RunningNats

pytestmark = pytest.mark.anyio
LONG = "я" * 6000
LONGEST = "\U0001f600" * 8000
TAGS = [{"key": f"t{number}", "value": LONG} for number in range(100)]  # 1.2 MB in UTF-8, 3.6 MB as its clients say it
REGISTRY_TAGS = [{"key": f"t{number}", "value": "я" * 50_000} for number in range(20)]
DATASET = {"digest": "d", "source_type": "local", "source": "s"}
WAIT_SECONDS = 60.0


@pytest.fixture
async def mlflow(nats_server: RunningNats) -> AsyncIterator[Mlflow]:
    async with mlflow_gateway(nats_server) as running:
        yield running


async def test_the_longest_parameters_and_tags_of_one_batch_are_stored(mlflow: Mlflow) -> None:
    run = await mlflow.run()
    params = [{"key": f"p{number}", "value": LONG} for number in range(100)]
    tags = [{"key": f"t{number}", "value": LONGEST} for number in range(100)]
    metrics = [{"key": "m", "value": 1.0, "timestamp": 1, "step": number} for number in range(800)]
    await mlflow.done("runs/log-batch", run_id=run, params=params, tags=tags, metrics=metrics)
    data = (await mlflow.shown(run))["data"]
    assert pairs(data["params"]) == pairs(params)
    assert pairs(tags).items() <= pairs(data["tags"]).items()
    assert data["metrics"][0]["step"] == 799


async def made_of(mlflow: Mlflow) -> tuple[str, dict[str, Any]]:
    """A run, and by its path a large request for each thing that has tags, parameters or descriptions."""
    run = await mlflow.run()
    logged = await mlflow.done("logged-models", experiment_id="0", name="small")
    await mlflow.done("registered-models/create", name="small")
    sets = [{"dataset": {**DATASET, "name": f"d{number}", "profile": "я" * 500_000}} for number in range(2)]
    one = {"dataset": {**DATASET, "name": "whole", "profile": "x" * 6_000_000}}
    return run, {
        "runs/create": {"experiment_id": "0", "start_time": 1, "tags": TAGS},
        "runs/log-inputs": {"run_id": run, "datasets": [*sets, one]},
        "experiments/create": {"name": "large", "tags": TAGS},
        "logged-models": {"experiment_id": "0", "name": "large", "tags": TAGS, "params": TAGS},
        f"logged-models/{logged['model']['info']['model_id']}/params": {"params": TAGS},
        "registered-models/create": {"name": "large", "tags": REGISTRY_TAGS, "description": "я" * 900_000},
        "model-versions/create": {"name": "small", "source": "s3://b/x", "tags": REGISTRY_TAGS},
    }


async def test_each_thing_is_made_with_more_than_a_mebibyte_of_tags_parameters_or_data_sets(mlflow: Mlflow) -> None:
    run, requests = await made_of(mlflow)
    for path, body in requests.items():
        reply = await mlflow.post(path, **body)
        assert reply.status == 200, (path, reply.body[:500])
    shown = await mlflow.shown(run)
    assert len(shown["inputs"]["dataset_inputs"]) == 3
    model = (await mlflow.get("registered-models/get", name="large")).json["registered_model"]
    assert pairs(model["tags"]) == pairs(REGISTRY_TAGS)


async def test_a_request_beyond_the_limit_is_refused_with_the_limit(mlflow: Mlflow) -> None:
    tags = [{"key": f"t{number}", "value": "x" * 8000} for number in range(1000)]
    refused = await mlflow.post("runs/create", experiment_id="0", start_time=1, tags=[*tags, *tags[:100]])
    assert refused.status == 400
    refused = await mlflow.post("experiments/create", name="x", tags=[{"key": "k", "value": "x" * 9_000_000}])
    assert refused.status == 400
    assert refused.json["message"].endswith("larger than 8388608 bytes, the most that is read; send less at once")


async def test_a_subscriber_gets_a_large_event_and_what_comes_after_it(mlflow: Mlflow) -> None:
    run = await mlflow.run(tags=TAGS)
    await mlflow.done("runs/log-batch", run_id=run, params=TAGS)
    await mlflow.done("runs/set-tag", run_id=run, key="after", value="it")
    client = AsyncClient(f"http://127.0.0.1:{mlflow.api.port}", mlflow.api.tokens.owner)
    sizes: list[int] = []
    async with asyncio.timeout(WAIT_SECONDS):
        async for event in client.events(kind="run", workspace="main", since=0):
            sizes.append(len(str(event.data)))
            if len(sizes) == 3:
                break
    assert min(sizes[:2]) > len(LONG) * 100 and sizes[2] < 100
