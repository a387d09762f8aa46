"""No request to the tracking API is answered with a failure of ours, and what it leaves can be computed again."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.services.mlflow_example import BASE, Mlflow, mlflow_gateway
from tests.views.test_monitor_views import dump

from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.second_stream import SecondStream
from treering.adapters.sqlite_view import SqliteView
from treering.testing.nats import RunningNats
from treering.views.tracking import TrackingView, points_entries, points_units
from treering_services.base import opened_view

pytestmark = pytest.mark.anyio
REQUESTS = 250
POINT = {"key": "m", "value": 0.5, "timestamp": 1, "step": 2}
DATASET = {"dataset": {"name": "d", "digest": "1", "source_type": "s", "source": "s"}, "tags": []}
GOOD: list[tuple[str, dict[str, Any]]] = [
    ("runs/log-metric", POINT), ("runs/log-batch", {"metrics": [POINT], "params": [{"key": "p", "value": "1"}]}),
    ("runs/create", {"start_time": 1}), ("runs/update", {"status": "FINISHED", "end_time": 3}),
    ("runs/log-parameter", {"key": "p", "value": "1"}), ("runs/set-tag", {"key": "t", "value": "1"}),
    ("runs/delete-tag", {"key": "t"}), ("runs/delete", {}), ("runs/restore", {}),
    ("runs/log-inputs", {"datasets": [DATASET]}), ("runs/outputs", {"models": [{"model_id": "m-1", "step": 1}]}),
    ("runs/search", {"filter": "metrics.m > 0", "order_by": ["metrics.m DESC"], "max_results": 5}),
    ("experiments/search", {"filter": "name LIKE '%'", "max_results": 5}), ("experiments/create", {"name": "n"}),
    ("experiments/update", {"new_name": "o"}), ("experiments/set-experiment-tag", {"key": "t", "value": "1"}),
    ("experiments/search-datasets", {}), ("metrics/get-history", {"metric_key": "m", "max_results": 5}),
    ("metrics/get-history-bulk-interval", {"metric_key": "m", "max_results": 5}),
]  # fmt: skip
ODD: list[Any] = [
    None, 0, -1, 1.5, 2**63, -(2**64), 1e308, "", "0", "NaN", "-Infinity", "x" * 300, "\0", "é" * 260, [], {}, ["a"],
    [{}], [None], [POINT, {"key": "m"}], [{"key": "k", "value": None}], True, "../x", "/x", "a/../b", "RUNNING", 99,
    "metrics.m >", "params.`p = 'x'", "(((", ["start_time", "start_time"], "eyJvZmZzZXQiOi0xfQ==",
]  # fmt: skip


@pytest.fixture
async def mlflow(nats_server: RunningNats) -> AsyncIterator[Mlflow]:
    async with mlflow_gateway(nats_server) as running:
        yield running


def a_request(chance: random.Random, run_id: str) -> tuple[str, dict[str, Any]]:
    """A good request of which any field may be another one."""
    path, good = chance.choice(GOOD)
    ids = {"run_id": run_id, "run_ids": [run_id], "experiment_id": "0", "experiment_ids": ["0"]}
    fields = {**ids, **good}
    for name in chance.sample(sorted(fields), chance.choice([0, 0, 1, 1, 2])):
        fields[name] = chance.choice(ODD)
    return path, fields


@pytest.mark.parametrize("seed", range(2))
async def test_any_request_is_answered_and_what_it_leaves_can_be_computed_again(mlflow: Mlflow, seed: int) -> None:
    chance, answered = random.Random(seed), set()
    run_id = await mlflow.run()
    for _ in range(REQUESTS):
        path, fields = a_request(chance, run_id)
        if path.startswith("metrics/"):
            fields = {name: value for name, value in fields.items() if not isinstance(value, dict)}
            reply = await mlflow.get(path, **fields)
        else:
            reply = await mlflow.api.ask("POST", f"{BASE}/{path}", fields)
        assert reply.status < 500, (path, fields, reply.body)
        assert reply.status == 200 or reply.json["error_code"], (path, fields)
        answered.add((path, reply.status))
    assert len(answered) > len(GOOD)  # most requests were answered both ways
    # The view that followed live has what one has that follows from the start.
    await mlflow.shown(run_id)
    tracking = mlflow.api
    await tracking.service.stop()
    async with opened_view(tracking.home, "gateway", TrackingView()) as live:
        wanted = await live.read(dump)
    assert await from_the_start(tracking.nats) == wanted


async def from_the_start(nats: RunningNats) -> list[list[tuple[Any, ...]]]:
    """What a view has that reads both streams in one go."""
    client = await nats.connect("gateway")
    definition = TrackingView()
    store = SqliteView(definition, ":memory:")
    second = SecondStream(store, "MET", points_entries, points_units, definition.project_points)
    await store.open()
    await second.open()
    for name, subject, view in (("EVT", "evt.>", store), ("MET", "met.>", second)):
        log = JetStreamLog(client, name)
        head, seen = await log.head(), 0
        if head:
            async for batch in log.follow(subject=subject):
                await view.apply(batch)
                seen = batch[-1].position
                if seen == head:
                    break
    try:
        return await store.read(dump)
    finally:
        await store.close()
