"""The messages of MLflow's calls about logged models (mlflow/protos/service.proto)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct

from treering.domain.logged_model import Status
from treering.views.tracking.experiments import KeyValue
from treering.views.tracking.logged_models import LoggedModelRow, MetricRow
from treering_services.gateway.mlflow.messages import Answer, Int64, Request

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
    allow_deleted: str = ""


class NewLoggedModel(Request, frozen=True):
    required = ("experiment_id",)
    experiment_id: str = ""
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class ModelParams(Request, frozen=True):
    params: list[KeyValue] = []


class ModelTags(Request, frozen=True):
    tags: list[KeyValue] = []


class Finalization(Request, frozen=True):
    required = ("status",)
    status: str | int = ""


class DataSetOf(Struct, frozen=True):
    dataset_name: str = ""
    dataset_digest: str = ""


class OrderBy(Struct, frozen=True):
    field_name: str = ""
    ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


class SearchLoggedModels(Request, frozen=True):
    required = ("experiment_ids",)
    experiment_ids: list[str] = []
    filter: str = ""
    datasets: list[DataSetOf] = []
    max_results: Int64 | None = None
    order_by: list[OrderBy] = []
    page_token: str = ""


class SearchToken(Struct, frozen=True):
    """What a page token says: where the page begins, and of which search."""

    offset: int
    experiment_ids: list[str]
    filter: str
    order_by: list[OrderBy]


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
