"""MLflow's searches for registered models and for versions."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Row

from starlette.responses import Response

from treering.adapters.incomplete import incomplete_keys
from treering.adapters.sqlite_view import Database
from treering.domain.registered_model import REGISTERED_MODEL
from treering.kernel.pages import PART_BYTES, ROW_BYTES, Room, page_of, rows_that_fit
from treering.views.tracking.filter_sql import Sql, all_of
from treering.views.tracking.registry_filters import MODELS, VERSIONS, conditions
from treering.views.tracking.registry_rows import (
    MODEL_COLUMNS,
    SHOWN,
    VERSION_COLUMNS,
    VersionRow,
    latest,
    model_row,
    registry_bytes,
    shown_versions,
)
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import SEE, invalid
from treering_services.gateway.mlflow.messages import listed, read
from treering_services.gateway.mlflow.ordering import ordered
from treering_services.gateway.mlflow.page_tokens import next_token, offset_of
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.registry_messages import (
    MODELS_DEFAULT,
    MODELS_MAX,
    VERSIONS_MAX,
    Models,
    RegisteredModel,
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

    def found(db: Database) -> tuple[list[RegisteredModel], int, bool]:
        """The page without those that cannot be shown, of how many of those found it is, and whether there are more."""
        rows, more = select(db, MODEL_COLUMNS, MODELS.table, workspace, where, order, limit, offset)
        gone = incomplete_keys(db, workspace, REGISTERED_MODEL.kind)

        def load(some: Sequence[Row], room: Room) -> list[RegisteredModel]:
            return [with_versions(db, workspace, row, room) for row in some if row["key"] not in gone]

        page, taken = page_of(rows, load, at_once=1)
        return page, taken, more or taken < len(rows)

    page, taken, more = await call.gateway.tracking.read(found)
    return listed(call, Models(page, next_token(offset, taken, taken + more)))


def with_versions(db: Database, workspace: str, row: Row, room: Room) -> RegisteredModel:
    """A model with the latest version of each stage."""
    room.take(registry_bytes(row))
    model = model_row(row)
    found = latest(db, workspace, [model.name])[model.name]
    for one in found:
        room.take(ROW_BYTES + sum(PART_BYTES + len(key) + len(value) for key, value in one.tags.items()))
    return model_message(model, found)


async def search_versions(call: Call) -> Response:
    asked = await read(call, Search)
    limit = checked_limit(asked.max_results, VERSIONS_MAX, VERSIONS_MAX)
    if limit < 1:
        raise invalid(f"Invalid value for max_results. It must be a positive integer, but got {limit}")
    offset, workspace = offset_of(asked.page_token), workspace_of(call)
    last = [("name", "ASC"), ("version", "DESC")]
    order = ordered(asked.order_by or NEWEST, VERSION_ORDER, last, VERSION_KEYS)
    where = [*conditions(VERSIONS, asked.filter), Sql(SHOWN)]

    def found(db: Database) -> tuple[list[VersionRow], int, bool]:
        rows, more = select(db, VERSION_COLUMNS, VERSIONS.table, workspace, where, order, limit, offset)
        return shown_versions(db, workspace, rows), len(rows), more

    page, taken, more = await call.gateway.tracking.read(found)
    return listed(call, Versions([version_message(row) for row in page], next_token(offset, taken, taken + more)))


def select(
    db: Database, columns: str, table: str, workspace: str, where: Sequence[Sql], order: str, limit: int, offset: int
) -> tuple[list[Row], bool]:
    """A page of at most ``limit`` rows, and whether there are more."""
    condition = all_of([Sql(f"{table}.workspace = ?", (workspace,)), *where])
    sql = f"SELECT {columns} FROM {table} WHERE {condition.text} ORDER BY {order} LIMIT ? OFFSET ?"
    rows = db.execute(sql, (*condition.values, limit + 1, offset))
    kept, cut = rows_that_fit(rows, registry_bytes)
    return kept[:limit], cut or len(kept) > limit


def checked_limit(asked: int | None, default: int, most: int) -> int:
    limit = default if asked is None else asked
    if limit > most:
        words = f"Invalid value \"{limit}\" for parameter 'max_results' supplied:  Hint: Value was of type 'str'. {SEE}"
        raise invalid(words)
    if limit < 0:
        raise invalid(f"Invalid value for max_results. It must be a positive integer, but got {limit}")
    return limit
