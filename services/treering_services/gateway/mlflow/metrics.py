"""Metric points over MLflow's API, one or a batch. A batch may carry parameters and tags too."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import partial
from typing import Annotated, ClassVar

from msgspec import Meta
from starlette.responses import Response

from treering.domain.run_messages import LogToRun
from treering.kernel.bounds import ITEMS_MAX, PARTS_MAX, Float64, Int64, MetricKey, Name, Text
from treering.kernel.gathered import GATHERED_MAX, too_many
from treering.kernel.points import RunPoints, Series
from treering.views.tracking.experiments import KeyValue
from treering.views.tracking.logged_models import unknown_models
from treering.views.tracking.metrics import new_names
from treering.views.tracking.run_reads import RunHead
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.access import send_to_run, writable_run
from treering_services.gateway.mlflow.errors import MlflowError, absent, missing_value
from treering_services.gateway.mlflow.limits import (
    check_batch,
    check_key,
    check_run_id,
    check_unique_params,
    invalid_value,
    param_value,
)
from treering_services.gateway.mlflow.messages import (
    LARGE_BYTES_MAX,
    SHOWN_CHARACTERS_MAX,
    Request,
    answer,
    finite,
    read,
)
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.run_messages import OfRun
from treering_services.gateway.mlflow.runs import checked_tags


class Metric(Request, frozen=True):
    """``value`` and ``timestamp`` None: they were not sent, which is refused."""

    key: MetricKey = ""
    value: Float64 | None = None
    timestamp: Int64 | None = None
    step: Int64 = 0
    model_id: Name = ""
    dataset_name: Name = ""
    dataset_digest: Name = ""


class MetricRequest(Metric, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("id", "key", "value", "timestamp")
    points: ClassVar[bool] = True
    run_id: Name = ""
    run_uuid: Name = ""

    @property
    def id(self) -> str:
        return self.run_id or self.run_uuid


class Param(Request, frozen=True):
    key: Name = ""
    value: Text = ""


class BatchRequest(OfRun, frozen=True):
    points: ClassVar[bool] = True  # unless it has parameters or tags: they become a commit
    metrics: Annotated[list[Metric], Meta(max_length=PARTS_MAX)] = []
    params: Annotated[list[Param], Meta(max_length=ITEMS_MAX)] = []
    tags: Annotated[list[KeyValue], Meta(max_length=ITEMS_MAX)] = []


async def log_metric(call: Call) -> Response:
    request = await read(call, MetricRequest)
    series = gathered([request], single=True)
    head = await writable_run(call, request.id)
    await check_models(call, series)
    await write_points(call, request.id, head, series)
    return answer()


async def log_batch(call: Call) -> Response:
    """Everything is checked before anything is written; parameters and tags are one commit, and come first.

    When the points are then not acknowledged, neither is the request: said again, the parameters and tags are there
    already, and points said twice are shown once.
    """
    request = await read(call, BatchRequest, bytes_max=LARGE_BYTES_MAX)
    check_run_id(request.id)
    series = gathered(request.metrics, single=False)
    params = checked_params(request.params)
    tags = checked_tags(request.tags)
    check_batch(len(request.metrics), len(request.params), len(request.tags))
    check_unique_params([param.key for param in request.params])
    head = await writable_run(call, request.id)
    await check_models(call, series)
    if params or tags:
        await send_to_run(call, request.id, head, LogToRun(params, tags))
    if series:
        await write_points(call, request.id, head, series)
    return answer()


def checked_params(params: list[Param]) -> dict[str, str]:
    for index, param in enumerate(params):
        if not param.key:
            raise missing_value(f"params[{index}].key")
        check_key(param.key, "Param key", f"params[{index}].key")
    return {param.key: param_value(param.value) for param in params}


def gathered(metrics: Sequence[Metric], *, single: bool) -> list[Series]:
    """The points by metric, column by column, each of them checked."""
    columns: dict[tuple[str, str, str, str], Series] = {}
    for index, metric in enumerate(metrics):
        value, timestamp = metric.value, metric.timestamp
        if value is None or timestamp is None or timestamp < 0 or not metric.key:
            raise fault_of(metric, "" if single else f"metrics[{index}].")
        of = (metric.key, metric.model_id, metric.dataset_name, metric.dataset_digest)
        series = columns.get(of)
        if series is None:
            check_key(metric.key, "Metric name", "name" if single else f"metrics[{index}].name")
            series = columns[of] = Series(metric.key, [], [], [], *of[1:])
        series.values.append(None if value != value else finite(value) if math.isinf(value) else value)
        series.timestamps.append(timestamp)
        series.steps.append(metric.step)
    return list(columns.values())


def fault_of(metric: Metric, path: str) -> MlflowError:
    """Why a point cannot be taken."""
    if not metric.key:
        return missing_value(f"{path}key")
    if metric.value is None:
        return missing_value(f"{path}value")
    if metric.timestamp is None:
        return missing_value(f"{path}timestamp")
    why = f"metric '{metric.key}' (value={metric.value}). Timestamp must be a nonnegative long (64-bit integer) "
    return invalid_value(f"{path}timestamp", metric.timestamp, why)


async def check_models(call: Call, series: Sequence[Series]) -> None:
    """MlflowError for a point of a logged model that never was. What the view does not have is looked for once more at
    the head of the log."""
    asked, tracking = {one.model_id for one in series} - {""}, call.gateway.tracking
    if not asked:
        return
    query = partial(unknown_models, workspace=workspace_of(call), model_ids=asked)
    await tracking.fresh_commits()
    if await tracking.view.peek(query):
        await tracking.commits.reached(await call.gateway.log.head())
        if absent_ids := await tracking.view.peek(query):
            raise absent(f"Logged model with ID '{absent_ids[0][:SHOWN_CHARACTERS_MAX]}' not found.")


async def check_names(call: Call, head: RunHead, keys: Collection[str]) -> None:
    """``Refused("request.too_many_parts")`` for more metrics than a run may have. It is what the view shows that is
    counted: what is on its way to it comes on top."""
    if head.metrics + len(keys) <= GATHERED_MAX:
        return
    new = await call.gateway.tracking.view.peek(lambda db: new_names(db, head.number, keys))
    if new and head.metrics + new > GATHERED_MAX:
        raise too_many("metrics", head.metrics + new)


async def write_points(call: Call, run_id: str, head: RunHead, series: list[Series]) -> None:
    who = call.caller.via or call.caller.actor
    points = RunPoints(run_id, head.number, head.experiment, head.start_time, who, series)
    gateway = call.gateway
    gateway.commands.check_room()
    await check_names(call, head, {one.key for one in series})
    gateway.tracking.wrote_points(await gateway.points.write(workspace_of(call), points))
