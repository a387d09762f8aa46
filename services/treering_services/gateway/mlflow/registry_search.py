"""MLflow's searches for registered models and for versions."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Row

from starlette.responses import Response

from treering.adapters.sqlite_view import Database
from treering.views.tracking.filter_sql import Sql, all_of
from treering.views.tracking.registry_filters import MODELS, VERSIONS, conditions
from treering.views.tracking.registry_rows import (
    MODEL_COLUMNS,
    SHOWN,
    VERSION_COLUMNS,
    ModelRow,
    VersionRow,
    latest,
    model_row,
    version_row,
)
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import SEE, invalid
from treering_services.gateway.mlflow.messages import answer, read
from treering_services.gateway.mlflow.ordering import ordered
from treering_services.gateway.mlflow.page_tokens import next_token, offset_of
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.registry_messages import (
    MODELS_DEFAULT,
    MODELS_MAX,
    VERSIONS_MAX,
    Models,
    Search,
    Versions,
    model_message,
    version_message,
)

MODEL_ORDER = {"name": "name", "timestamp": "updated_ms", "last_updated_timestamp": "updated_ms"}
MODEL_KEYS = "Invalid order by key '{key}' specified. Valid keys are '{{'name', 'timestamp'}}'"
VERSION_ORDER = {
    "name": "name", "version_number": "version", "creation_timestamp": "created_ms",
    "last_updated_timestamp": "updated_ms",
}  # fmt: skip
VERSION_KEYS = f"Invalid attribute key '{{key}}' specified. Valid keys are '{sorted(VERSION_ORDER)}'"
NEWEST = ("last_updated_timestamp DESC", "name ASC", "version_number DESC")


async def search_models(call: Call) -> Response:
    asked = await read(call, Search)
    limit = checked_limit(asked.max_results, MODELS_DEFAULT, MODELS_MAX)
    offset, workspace = offset_of(asked.page_token), workspace_of(call)
    order = ordered(asked.order_by, MODEL_ORDER, [("name", "ASC")], MODEL_KEYS)
    where = conditions(MODELS, asked.filter)

    def found(db: Database) -> tuple[list[ModelRow], dict[str, list[VersionRow]]]:
        rows = [
            model_row(row) for row in select(db, MODEL_COLUMNS, MODELS.table, workspace, where, order, limit, offset)
        ]
        return rows, latest(db, workspace, [row.name for row in rows[:limit]])

    rows, versions = await call.gateway.tracking.read(found)
    messages = [model_message(row, versions[row.name]) for row in rows[:limit]]
    return answer(Models(messages, next_token(offset, limit, len(rows))))


async def search_versions(call: Call) -> Response:
    asked = await read(call, Search)
    limit = checked_limit(asked.max_results, VERSIONS_MAX, VERSIONS_MAX)
    if limit < 1:
        raise invalid(f"Invalid value for max_results. It must be a positive integer, but got {limit}")
    offset, workspace = offset_of(asked.page_token), workspace_of(call)
    last = [("name", "ASC"), ("version", "DESC")]
    order = ordered(asked.order_by or NEWEST, VERSION_ORDER, last, VERSION_KEYS)
    where = [*conditions(VERSIONS, asked.filter), Sql(SHOWN)]

    def found(db: Database) -> list[VersionRow]:
        rows = select(db, VERSION_COLUMNS, VERSIONS.table, workspace, where, order, limit, offset)
        return [version_row(row) for row in rows]

    rows = await call.gateway.tracking.read(found)
    return answer(Versions([version_message(row) for row in rows[:limit]], next_token(offset, limit, len(rows))))


def select(
    db: Database, columns: str, table: str, workspace: str, where: Sequence[Sql], order: str, limit: int, offset: int
) -> list[Row]:
    """One row more than ``limit``, if there is one: so the next page is known to be there."""
    condition = all_of([Sql(f"{table}.workspace = ?", (workspace,)), *where])
    sql = f"SELECT {columns} FROM {table} WHERE {condition.text} ORDER BY {order} LIMIT ? OFFSET ?"
    return db.execute(sql, (*condition.values, limit + 1, offset)).fetchall()


def checked_limit(asked: int | None, default: int, most: int) -> int:
    limit = default if asked is None else asked
    if limit > most:
        words = f"Invalid value \"{limit}\" for parameter 'max_results' supplied:  Hint: Value was of type 'str'. {SEE}"
        raise invalid(words)
    if limit < 0:
        raise invalid(f"Invalid value for max_results. It must be a positive integer, but got {limit}")
    return limit
