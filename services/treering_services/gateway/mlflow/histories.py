"""The histories of metrics over MLflow's API: whole, by page, of several runs, or a sample of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct
from starlette.responses import Response

from treering.adapters.sqlite_view import Database
from treering.views.tracking.metrics import Point, history
from treering.views.tracking.run_reads import MetricRow, run_head
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.access import find_run
from treering_services.gateway.mlflow.errors import invalid, missing_value
from treering_services.gateway.mlflow.messages import Answer, Int64, Request, answer, read
from treering_services.gateway.mlflow.page_tokens import next_token, offset_of
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.run_messages import OfRun

POINTS_MAX = 25_000  # of the bulk call, for all its runs
RUNS_MAX = 100
SAMPLE_MAX = 2500


class HistoryRequest(OfRun, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("id", "metric_key")
    metric_key: str = ""
    max_results: Int64 | None = None
    page_token: str = ""


class BulkRequest(Request, frozen=True):
    run_id: list[str] = []
    metric_key: str | None = None
    max_results: Int64 = POINTS_MAX


class IntervalRequest(Request, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("metric_key",)
    run_ids: list[str] = []
    metric_key: str = ""
    start_step: Int64 | None = None
    end_step: Int64 | None = None
    max_results: Int64 = SAMPLE_MAX


class HistoryAnswer(Answer, frozen=True):
    metrics: list[MetricRow] = []
    next_page_token: str = ""


class MetricOfRun(Struct, frozen=True):
    key: str
    value: float | str
    timestamp: int
    step: int
    run_id: str


class BulkAnswer(Answer, frozen=True):
    metrics: list[MetricOfRun] = []


async def get_history(call: Call) -> Response:
    request = await read(call, HistoryRequest)
    limit, key = request.max_results, request.metric_key
    if limit is not None and limit <= 0:
        raise invalid(f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer.")
    offset = offset_of(request.page_token)
    head = await find_run(call, request.id)
    points = await call.gateway.tracking.read(lambda db: history(db, head.number, key))
    page = points[offset : offset + limit] if limit is not None else points[offset:]
    token = "" if limit is None else next_token(offset, limit, len(points) - offset)
    return answer(HistoryAnswer([MetricRow(key, shown(point), point.timestamp, point.step) for point in page], token))


def shown(point: Point) -> float | str:
    return "NaN" if point.nan else point.value


async def get_history_bulk(call: Call) -> Response:
    request = await read(call, BulkRequest)
    if not request.run_id:
        raise invalid("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(request.run_id) > RUNS_MAX:
        raise invalid(
            f"GetMetricHistoryBulk request cannot specify more than {RUNS_MAX} run_ids."
            f" Received {len(request.run_id)} run_ids."
        )
    if request.metric_key is None:
        raise invalid("GetMetricHistoryBulk request must specify a metric_key.")
    key, limit = request.metric_key, max(0, min(request.max_results, POINTS_MAX))
    found: list[MetricOfRun] = []
    for run_id, points in await histories(call, sorted(set(request.run_id)), key, strict=False):
        found += of_run(run_id, key, points[: limit - len(found)])
    return answer(BulkAnswer(found))


async def get_history_bulk_interval(call: Call) -> Response:
    request = await read(call, IntervalRequest)
    check_interval(request)
    start, end, limit, key = request.start_step, request.end_step, request.max_results, request.metric_key
    found: list[MetricOfRun] = []
    for run_id, points in await histories(call, request.run_ids, key, strict=True):
        if start is not None and end is not None:
            points = [point for point in points if start <= point.step <= end]
        in_order = sorted(points, key=lambda point: (point.step, point.timestamp, point.value, point.nan))
        found += of_run(run_id, key, sample(in_order, limit))
    return answer(BulkAnswer(found))


def check_interval(request: IntervalRequest) -> None:
    if not request.run_ids:
        raise missing_value("run_ids")
    if len(request.run_ids) > RUNS_MAX:
        raise invalid(
            f"GetMetricHistoryBulkInterval request must specify at most {RUNS_MAX} run_ids."
            f" Received {len(request.run_ids)} run_ids."
        )
    if not 1 <= request.max_results <= SAMPLE_MAX:
        raise invalid(f"max_results must be between 1 and {SAMPLE_MAX}.")
    start, end = request.start_step, request.end_step
    if (start is None) != (end is None):
        raise invalid("If either start step or end step are specified, both must be specified.")
    if start is not None and end is not None and start > end:
        raise invalid(f"end_step must be greater than start_step. Found start_step={start} and end_step={end}.")


async def histories(call: Call, run_ids: Sequence[str], key: str, *, strict: bool) -> list[tuple[str, list[Point]]]:
    """The history of each run; one that does not exist is refused when ``strict``, else left out."""
    workspace = workspace_of(call)

    def query(db: Database) -> list[tuple[str, list[Point]]]:
        heads = [(run_id, run_head(db, workspace, run_id)) for run_id in run_ids]
        return [(run_id, history(db, head.number, key)) for run_id, head in heads if head is not None]

    if strict:
        for run_id in dict.fromkeys(run_ids):
            await find_run(call, run_id)
    return await call.gateway.tracking.read(query)


def of_run(run_id: str, key: str, points: Sequence[Point]) -> list[MetricOfRun]:
    return [MetricOfRun(key, shown(point), point.timestamp, point.step, run_id) for point in points]


def sample(points: list[Point], limit: int) -> list[Point]:
    """At most ``limit`` points, evenly spaced, always with the first and the last (of one: the last)."""
    count = len(points)
    if count <= limit:
        return points
    if limit == 1:
        return points[-1:]
    # The first of each of ``limit`` buckets of nearly equal size, larger ones first, as SQL's NTILE makes them.
    size, larger = divmod(count, limit)
    starts = [bucket * size + min(bucket, larger) for bucket in range(limit)]
    chosen = [points[start] for start in starts]
    chosen[-1] = points[-1]
    return chosen
