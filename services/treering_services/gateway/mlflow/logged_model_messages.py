"""The messages of MLflow's calls about logged models (mlflow/protos/service.proto)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from treering.domain.logged_model import Status
from treering.kernel.bounds import ITEMS_MAX, Int64, Name, Names, Position, Small, Text
from treering.views.tracking.experiments import KeyValue
from treering.views.tracking.logged_models import LoggedModelRow, MetricRow
from treering_services.gateway.mlflow.limits import CREATED_MAX
from treering_services.gateway.mlflow.messages import Answer, Request

STATUS_NAMES: Mapping[str, str] = {
    "pending": "LOGGED_MODEL_PENDING",
    "ready": "LOGGED_MODEL_READY",
    "failed": "LOGGED_MODEL_UPLOAD_FAILED",
}
# As a request says them: by name or by number.
STATUSES: Mapping[str | int, Status] = {
    "LOGGED_MODEL_PENDING": "pending", "LOGGED_MODEL_READY": "ready", "LOGGED_MODEL_UPLOAD_FAILED": "failed",
    1: "pending", 2: "ready", 3: "failed",
}  # fmt: skip


class Which(Request, frozen=True):
    allow_deleted: Name = ""


class NewLoggedModel(Request, frozen=True):
    required = ("experiment_id",)
    experiment_id: Name = ""
    name: Name = ""
    model_type: Name = ""
    source_run_id: Name = ""
    params: Annotated[list[KeyValue], Meta(max_length=CREATED_MAX)] = []
    tags: Annotated[list[KeyValue], Meta(max_length=CREATED_MAX)] = []


class ModelParams(Request, frozen=True):
    params: Annotated[list[KeyValue], Meta(max_length=CREATED_MAX)] = []


class ModelTags(Request, frozen=True):
    tags: Annotated[list[KeyValue], Meta(max_length=CREATED_MAX)] = []


class Finalization(Request, frozen=True):
    required = ("status",)
    status: Name | Small = ""


class DataSetOf(Struct, frozen=True):
    dataset_name: Name = ""
    dataset_digest: Name = ""


class OrderBy(Struct, frozen=True):
    field_name: Name = ""
    ascending: bool = True
    dataset_name: Name = ""
    dataset_digest: Name = ""


class SearchLoggedModels(Request, frozen=True):
    required = ("experiment_ids",)
    experiment_ids: Names = []
    filter: Text = ""
    datasets: Annotated[list[DataSetOf], Meta(max_length=ITEMS_MAX)] = []
    max_results: Int64 | None = None
    order_by: Annotated[list[OrderBy], Meta(max_length=ITEMS_MAX)] = []
    page_token: Text = ""


class SearchToken(Struct, frozen=True):
    """What a page token says: where the page begins, and of which search."""

    offset: Position
    experiment_ids: Names
    filter: Text
    order_by: Annotated[list[OrderBy], Meta(max_length=ITEMS_MAX)]


class Metric(Answer, frozen=True):
    key: str
    value: float | str
    timestamp: int
    step: int
    model_id: str
    run_id: str
    dataset_name: str = ""
    dataset_digest: str = ""


class Info(Answer, frozen=True):
    """Times are milliseconds since 1970."""

    model_id: str
    experiment_id: str
    name: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    artifact_uri: str
    status: str
    model_type: str = ""
    source_run_id: str = ""
    tags: list[KeyValue] = []


class Data(Answer, frozen=True):
    params: list[KeyValue] = []
    metrics: list[Metric] = []


class LoggedModelMessage(Answer, frozen=True):
    info: Info
    data: Data


class OneLoggedModel(Answer, frozen=True):
    model: LoggedModelMessage


class LoggedModels(Answer, frozen=True):
    models: list[LoggedModelMessage] = []
    next_page_token: str = ""


def message(row: LoggedModelRow) -> LoggedModelMessage:
    state, spec = row.state, row.spec
    info = Info(
        row.model_id, spec.experiment_id, spec.name, row.created_ms, row.updated_ms, spec.artifact_uri,
        STATUS_NAMES[state.status], spec.model_type, spec.source_run_id, pairs(state.tags),
    )  # fmt: skip
    return LoggedModelMessage(info, Data(pairs(state.params), [metric(row.model_id, one) for one in row.metrics]))


def pairs(mapping: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key, value) for key, value in mapping.items()]


def metric(model_id: str, row: MetricRow) -> Metric:
    value = "NaN" if math.isnan(row.value) else row.value
    about = (row.dataset_name, row.dataset_digest)
    return Metric(row.key, value, row.timestamp, row.step, model_id, row.run_id, *about)
