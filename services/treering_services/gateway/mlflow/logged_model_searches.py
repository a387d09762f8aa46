"""MLflow's search for logged models, whose page tokens are good for the search they come from only."""

from __future__ import annotations

import hashlib

import msgspec
from starlette.responses import Response

from treering.adapters.incomplete import incomplete_keys
from treering.adapters.sqlite_view import Database
from treering.domain.logged_model import LOGGED_MODEL
from treering.views.tracking.logged_model_search import DataSet, Ordering, Search, search
from treering.views.tracking.logged_models import LoggedModelRow
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import MlflowError, invalid
from treering_services.gateway.mlflow.limits import check_count, searched_number
from treering_services.gateway.mlflow.logged_model_messages import (
    LoggedModels,
    OrderBy,
    SearchLoggedModels,
    SearchToken,
    message,
)
from treering_services.gateway.mlflow.messages import listed, read
from treering_services.gateway.mlflow.page_tokens import OFFSET_MAX, token_bytes, token_of
from treering_services.gateway.mlflow.place import workspace_of

RESULTS_DEFAULT = 50
FILTER_SHOWN_MAX = 1000
RESULTS_MAX = 50_000
EXPERIMENTS_MAX = 10_000
DATA_SETS_MAX = 100


async def search_models(call: Call) -> Response:
    asked = await read(call, SearchLoggedModels)
    check_count("experiment ids", len(asked.experiment_ids), EXPERIMENTS_MAX)
    check_count("datasets", len(asked.datasets), DATA_SETS_MAX)
    if not all(one.dataset_name for one in asked.datasets):
        raise invalid("`dataset_name` in the `datasets` clause must be specified.")
    limit = RESULTS_DEFAULT if not asked.max_results else asked.max_results
    if not 0 < limit <= RESULTS_MAX:
        raise invalid(f"Invalid value {limit} for parameter 'max_results' supplied: it may be 1 to {RESULTS_MAX}")
    offset = offset_of(asked) if asked.page_token else 0
    question = Search(
        workspace_of(call),
        [str(searched_number(id)) for id in asked.experiment_ids],
        asked.filter,
        [DataSet(one.dataset_name, one.dataset_digest) for one in asked.datasets],
        [ordering(one) for one in asked.order_by],
        limit,
        offset,
    )

    def found(db: Database) -> tuple[list[LoggedModelRow], int, bool]:
        """The page without those that cannot be shown, where it ends, and whether there is another."""
        (rows, more), gone = search(db, question), incomplete_keys(db, question.workspace, LOGGED_MODEL.kind)
        return [row for row in rows if row.model_id not in gone], offset + len(rows), more

    rows, end, more = await call.gateway.tracking.read(found)
    token = SearchToken(end, asked.experiment_ids, shortened(asked.filter), asked.order_by)
    return listed(call, LoggedModels([message(row) for row in rows], token_of(token) if more else ""))


def ordering(one: OrderBy) -> Ordering:
    return Ordering(one.field_name, one.ascending, DataSet(one.dataset_name, one.dataset_digest))


def offset_of(asked: SearchLoggedModels) -> int:
    try:
        token = msgspec.json.decode(token_bytes(asked.page_token), type=SearchToken)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise invalid("Invalid page token") from None
    if token.experiment_ids != asked.experiment_ids:
        raise mismatch("Experiment IDs", "experiment IDs", asked.experiment_ids, token.experiment_ids)
    if token.filter != shortened(asked.filter):
        raise mismatch("Filter string", "filter string", asked.filter, token.filter)
    if token.order_by != asked.order_by:
        raise mismatch("Order by", "order by", msgspec.to_builtins(asked.order_by), msgspec.to_builtins(token.order_by))
    if not 0 < token.offset <= OFFSET_MAX:
        raise invalid(f"Invalid page token, parsed value={token.offset}")
    return token.offset


def shortened(filter: str) -> str:
    """A filter as a page token has it: one with thousands of ids would make a token that no request has room for."""
    return filter if len(filter) <= FILTER_SHOWN_MAX else hashlib.sha256(filter.encode()).hexdigest()


def mismatch(what: str, which: str, expected: object, found: object) -> MlflowError:
    shown = f"Expected: {str(expected)[:200]}. Found: {str(found)[:200]}"
    verb = "do" if what.endswith("IDs") else "does"
    return invalid(f"{what} in the page token {verb} not match the requested {which}. {shown}")
