"""The searches for runs and experiments over MLflow's API."""

from __future__ import annotations

from starlette.responses import Response

from treering.adapters.sqlite_view import Database
from treering.kernel.bounds import Int64, Line, Name, Names, Small, Text
from treering.views.tracking.experiment_search import search_experiments as experiment_ids
from treering.views.tracking.experiments import ACTIVE, DELETED, ExperimentRow, experiments_of, key_of_id
from treering.views.tracking.run_filters import EXPERIMENTS, RUNS, parse_filter, parse_orders
from treering.views.tracking.run_reads import DatasetSummary, RunRow, dataset_summaries, runs_of
from treering.views.tracking.run_search import RunSearch, search
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import SEE, invalid
from treering_services.gateway.mlflow.limits import experiment_number, searched_number
from treering_services.gateway.mlflow.messages import Answer, Request, listed, read
from treering_services.gateway.mlflow.page_tokens import next_token, offset_of
from treering_services.gateway.mlflow.place import workspace_of

RESULTS_MAX = 50_000
RUNS_DEFAULT = 1000
EXPERIMENTS_ASKED_MAX = 10_000
DATASET_EXPERIMENTS_MAX = 20
STAGES: dict[str | int, tuple[int, ...]] = {
    1: (ACTIVE,), 2: (DELETED,), 3: (ACTIVE, DELETED),
    "1": (ACTIVE,), "2": (DELETED,), "3": (ACTIVE, DELETED),
    "ACTIVE_ONLY": (ACTIVE,), "DELETED_ONLY": (DELETED,), "ALL": (ACTIVE, DELETED),
}  # fmt: skip


class RunsRequest(Request, frozen=True):
    experiment_ids: Names = []
    filter: Text = ""
    run_view_type: Name | Small = "ACTIVE_ONLY"
    max_results: Int64 = RUNS_DEFAULT
    order_by: Names = []
    page_token: Line = ""


class RunsAnswer(Answer, frozen=True):
    runs: list[RunRow] = []
    next_page_token: str = ""


class ExperimentsRequest(Request, frozen=True):
    """``max_results`` has no default in MLflow either."""

    filter: Text = ""
    view_type: Name | Small = "ACTIVE_ONLY"
    max_results: Int64 = 0
    order_by: Names = []
    page_token: Line = ""


class ExperimentsAnswer(Answer, frozen=True):
    experiments: list[ExperimentRow] = []
    next_page_token: str = ""


class DatasetsRequest(Request, frozen=True):
    experiment_ids: Names = []


class DatasetsAnswer(Answer, frozen=True):
    dataset_summaries: list[DatasetSummary] = []


async def search_runs(call: Call) -> Response:
    request = await read(call, RunsRequest)
    limit = request.max_results
    if limit > RESULTS_MAX:
        hint = f"Hint: Value was of type 'int'. {SEE}"
        raise invalid(f"Invalid value {limit} for parameter 'max_results' supplied:  {hint}")
    check_positive(limit)
    if len(request.experiment_ids) > EXPERIMENTS_ASKED_MAX:
        raise invalid(f"experiment_ids may have at most {EXPERIMENTS_ASKED_MAX} entries")
    query = RunSearch(
        workspace_of(call),
        [searched_number(text) for text in request.experiment_ids],
        STAGES.get(request.run_view_type, (ACTIVE,)),
        parse_filter(request.filter, RUNS),
        parse_orders(request.order_by, RUNS),
        offset_of(request.page_token),
        limit + 1,
    )
    (runs, taken), found = await call.gateway.tracking.read(lambda db: runs_found(db, query))
    return listed(call, RunsAnswer(runs, next_token(query.offset, taken, found)))


def runs_found(db: Database, query: RunSearch) -> tuple[tuple[list[RunRow], int], int]:
    """The page, of how many of those found it is, and how many that were: more when there is another page."""
    known = [id for number in query.experiments if (id := id_here(db, query.workspace, number)) is not None]
    numbers = search(db, RunSearch(query.workspace, known, query.lifecycles, query.clauses, query.orders, query.offset,
                                   query.limit))  # fmt: skip
    return runs_of(db, numbers[: query.limit - 1]), len(numbers)


def id_here(db: Database, workspace: str, number: int) -> int | None:
    """The id of an experiment of this workspace; those of others are not searched."""
    return number if key_of_id(db, workspace, number) is not None else None


async def search_experiments(call: Call) -> Response:
    request = await read(call, ExperimentsRequest)
    limit, workspace = request.max_results, workspace_of(call)
    check_positive(limit)
    if limit > RESULTS_MAX:
        raise invalid(f"Invalid value {limit} for parameter 'max_results' supplied. It must be at most {RESULTS_MAX}")
    stages = STAGES.get(request.view_type, (ACTIVE,))
    clauses, orders = parse_filter(request.filter, EXPERIMENTS), parse_orders(request.order_by, EXPERIMENTS)
    offset = offset_of(request.page_token)

    def query(db: Database) -> tuple[tuple[list[ExperimentRow], int], int]:
        ids = experiment_ids(db, workspace, stages, clauses, orders, offset=offset, limit=limit + 1)
        return experiments_of(db, ids[:limit]), len(ids)

    (found, taken), count = await call.gateway.tracking.read(query)
    return listed(call, ExperimentsAnswer(found, next_token(offset, taken, count)))


def check_positive(limit: int) -> None:
    if limit < 1:
        raise invalid(f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer")


async def search_datasets(call: Call) -> Response:
    """The data sets that the runs of some experiments used: what a page of runs offers to filter by."""
    numbers, workspace = (await read(call, DatasetsRequest)).experiment_ids, workspace_of(call)
    if not numbers:
        raise invalid("SearchDatasets request must specify at least one experiment_id.")
    if len(numbers) > DATASET_EXPERIMENTS_MAX:
        raise invalid(
            f"SearchDatasets request cannot specify more than {DATASET_EXPERIMENTS_MAX} experiment_ids."
            f" Received {len(numbers)} experiment_ids."
        )
    asked = [experiment_number(text) for text in numbers]

    def query(db: Database) -> list[DatasetSummary]:
        return dataset_summaries(db, [id for number in asked if (id := id_here(db, workspace, number)) is not None])

    return listed(call, DatasetsAnswer(await call.gateway.tracking.read(query)))
