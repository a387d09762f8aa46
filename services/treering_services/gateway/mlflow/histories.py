"""The histories of metrics over MLflow's API: whole, by page, of several runs, or a sample of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import repeat
from typing import ClassVar

from msgspec import Struct
from starlette.responses import Response

from treering.adapters.incomplete import incomplete_subjects, is_complete
from treering.adapters.sqlite_view import Database
from treering.kernel import pages
from treering.kernel.bounds import INT64_MAX, Int64, Line, Name, Names
from treering.views.tracking.metrics import Columns, by_step, history
from treering.views.tracking.run_reads import METRIC_BYTES, MetricRow, addresses_of, run_head
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.access import find_run
from treering_services.gateway.mlflow.errors import invalid, missing_value
from treering_services.gateway.mlflow.messages import Answer, Request, answer, listed, read
from treering_services.gateway.mlflow.page_tokens import next_token, offset_of
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.run_messages import OfRun

POINTS_MAX = 25_000  # of the bulk call, for all its runs
RUNS_MAX = 100
SAMPLE_MAX = 2500


class HistoryRequest(OfRun, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("id", "metric_key")
    metric_key: Name = ""
    max_results: Int64 | None = None
    page_token: Line = ""


class BulkRequest(Request, frozen=True):
    run_id: Names = []
    metric_key: Name | None = None
    max_results: Int64 = POINTS_MAX


class IntervalRequest(Request, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("metric_key",)
    run_ids: Names = []
    metric_key: Name = ""
    start_step: Int64 | None = None
    end_step: Int64 | None = None
    max_results: Int64 = SAMPLE_MAX


class HistoryAnswer(Answer, frozen=True):
    metrics: list[MetricRow] = []
    next_page_token: str = ""


class MetricOfRun(Struct, frozen=True, gc=False):
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
    limit = min(limit or INT64_MAX, points_that_fit(key))
    head = await find_run(call, request.id)
    tracking = call.gateway.tracking
    end = min(offset + limit, INT64_MAX)
    page, count = await tracking.read(lambda db: tracking.pages.page(db, head.number, key, offset, end))
    token = next_token(offset, limit, count - offset)
    return answer(HistoryAnswer(list(map(MetricRow, repeat(key), *shown(page))), token))


def points_that_fit(names: str) -> int:
    """How many points a page may hold that each say these names."""
    return max(1, pages.PAGE_BYTES_MAX // (METRIC_BYTES + len(names)))


def shown(columns: Columns) -> tuple[Sequence[float | str], Sequence[int], Sequence[int]]:
    """Values, timestamps and steps of the points, as they are answered."""
    values: Sequence[float | str] = columns.values
    if math.isnan(sum(columns.values)):  # one is, or they are too large to say
        values = ["NaN" if value != value else value for value in columns.values]
    return values, columns.timestamps, columns.steps


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
    key = request.metric_key
    limit = max(0, min(request.max_results, POINTS_MAX, points_that_fit(key + max(request.run_id, key=len))))
    found: list[MetricOfRun] = []
    for run_id, columns in await histories(call, sorted(set(request.run_id)), key, strict=False):
        found += of_run(run_id, key, columns.part(0, limit - len(found)))
    return listed(call, BulkAnswer(found))


async def get_history_bulk_interval(call: Call) -> Response:
    request = await read(call, IntervalRequest)
    check_interval(request)
    start, end, key = request.start_step, request.end_step, request.metric_key
    fit = points_that_fit(key + max(request.run_ids, key=len))
    limit = max(1, min(request.max_results, fit // len(request.run_ids)))
    found: list[MetricOfRun] = []
    for run_id, columns in await histories(call, request.run_ids, key, strict=True):
        if start is not None and end is not None:
            columns = columns.chosen([at for at, step in enumerate(columns.steps) if start <= step <= end])
        columns = by_step(columns)
        found += of_run(run_id, key, columns.chosen(sample(len(columns.values), limit)))
    return listed(call, BulkAnswer(found))


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


async def histories(call: Call, run_ids: Sequence[str], key: str, *, strict: bool) -> list[tuple[str, Columns]]:
    """The history of each run; one that does not exist or cannot be shown is refused when ``strict``, else left out."""
    workspace = workspace_of(call)

    def query(db: Database) -> list[tuple[str, Columns]]:
        gone = incomplete_subjects(db)
        heads = [
            (run_id, run_head(db, workspace, run_id))
            for run_id in run_ids
            if is_complete(gone, *addresses_of(workspace, run_id))
        ]
        return [(run_id, history(db, head.number, key)) for run_id, head in heads if head is not None]

    if strict:
        for run_id in dict.fromkeys(run_ids):
            await find_run(call, run_id)
    return await call.gateway.tracking.read(query)


def of_run(run_id: str, key: str, columns: Columns) -> list[MetricOfRun]:
    return list(map(MetricOfRun, repeat(key), *shown(columns), repeat(run_id)))


def sample(count: int, limit: int) -> Sequence[int]:
    """At most ``limit`` of ``count`` places, evenly spaced, always with the first and the last (of one: the last)."""
    if count <= limit:
        return range(count)
    if limit == 1:
        return [count - 1]
    # The first of each of ``limit`` buckets of nearly equal size, larger ones first, as SQL's NTILE makes them.
    size, larger = divmod(count, limit)
    starts = [bucket * size + min(bucket, larger) for bucket in range(limit)]
    return [*starts[:-1], count - 1]
