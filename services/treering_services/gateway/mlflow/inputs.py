"""What a run used and made: data sets, logged models, and the models that clients before MLflow 3 record."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta
from starlette.responses import Response

from treering.domain.run_messages import Dataset, LogRunInputs, LogRunOutputs, LogToRun, ModelOutput
from treering.kernel.bounds import ITEMS_MAX, Int64, Name
from treering.kernel.log import encoder
from treering.views.tracking.experiments import KeyValue
from treering.views.tracking.run_reads import DatasetInputRow, DatasetRow, ModelInputRow, run
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.access import send_to_run, writable_run
from treering_services.gateway.mlflow.errors import invalid, missing_value
from treering_services.gateway.mlflow.limits import check_count, check_length, check_run_id, tag_value
from treering_services.gateway.mlflow.messages import LARGE_BYTES_MAX, Request, answer, read
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.run_messages import LegacyModelRequest, OfRun

DATASETS_MAX = 1000
DATASET_CHARACTERS_MAX = {"name": 500, "digest": 36, "source": 65_535, "schema": 1_048_575, "profile": 16_777_215}
INPUT_TAG_CHARACTERS_MAX = {"key": 255, "value": 500}
MODEL_FIELDS = ("run_id", "utc_time_created", "artifact_path", "model_uuid")
MODELS_TAG = "mlflow.log-model.history"


class InputsRequest(OfRun, frozen=True):
    datasets: Annotated[list[DatasetInputRow], Meta(max_length=ITEMS_MAX)] = []
    models: Annotated[list[ModelInputRow], Meta(max_length=ITEMS_MAX)] = []


class Output(Request, frozen=True):
    model_id: Name = ""
    step: Int64 = 0


class OutputsRequest(OfRun, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("id", "models")
    models: Annotated[list[Output], Meta(max_length=ITEMS_MAX)] | None = None


async def log_inputs(call: Call) -> Response:
    request = await read(call, InputsRequest, bytes_max=LARGE_BYTES_MAX)
    check_run_id(request.id)
    check_count("datasets", len(request.datasets), DATASETS_MAX)
    datasets = [checked_dataset(one.dataset, one.tags) for one in request.datasets]
    head = await writable_run(call, request.id)
    command = LogRunInputs(datasets, [model.model_id for model in request.models])
    await send_to_run(call, request.id, head, command)
    return answer()


def checked_dataset(dataset: DatasetRow, tags: list[KeyValue]) -> Dataset:
    for name, characters_max in DATASET_CHARACTERS_MAX.items():
        check_length(name, characters_max, getattr(dataset, name))
    for tag in tags:
        check_length("key", INPUT_TAG_CHARACTERS_MAX["key"], tag.key)
        check_length("value", INPUT_TAG_CHARACTERS_MAX["value"], tag.value)
    return Dataset(
        dataset.name, dataset.digest, dataset.source_type, dataset.source, dataset.schema, dataset.profile,
        {tag.key: tag.value for tag in tags},
    )  # fmt: skip


async def log_outputs(call: Call) -> Response:
    request = await read(call, OutputsRequest)
    models = [ModelOutput(one.model_id, one.step) for one in request.models or ()]
    if not all(model.model_id for model in models):
        raise missing_value("models[].model_id")
    head = await writable_run(call, request.id)
    await send_to_run(call, request.id, head, LogRunOutputs(models))
    return answer()


async def log_model(call: Call) -> Response:
    """Append to the list of models in a tag of the run, where such clients look for it."""
    request = await read(call, LegacyModelRequest)
    model = described(request.model_json)
    if model["run_id"] != request.id:
        raise invalid(f"model_json says run_id {str(model['run_id'])[:100]!r}, and the request is about {request.id!r}")
    head = await writable_run(call, request.id)
    workspace = workspace_of(call)
    found = await call.gateway.tracking.peek(lambda db: run(db, workspace, request.id))
    before = next((tag.value for tag in found.data.tags if tag.key == MODELS_TAG), "[]") if found else "[]"
    try:
        models = [*msgspec.json.decode(before, type=list[Any]), model]
    except msgspec.MsgspecError:
        raise invalid(f"the tag {MODELS_TAG} of run {request.id} is not a list of models") from None
    text = encoder.encode(models).decode()
    if tag_value(text) != text:
        raise invalid(f"the tag {MODELS_TAG} would be longer than a tag may be; use logged models instead")
    await send_to_run(call, request.id, head, LogToRun(tags={MODELS_TAG: text}))
    return answer()


def described(text: str) -> dict[str, Any]:
    """What is kept of a model's description: where it is and which flavors it has, without their configuration."""
    try:
        model: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise invalid(f"Malformed model info. \n {text[:1000]} \n is not a valid JSON.") from None
    missing = {"artifact_path", "flavors", "utc_time_created", "run_id"} - set(model)
    if missing:
        raise invalid(f"Model json is missing mandatory fields: {missing}")
    flavors: dict[str, Any] = model["flavors"] if isinstance(model["flavors"], dict) else {}
    kept = {name: value for name, value in model.items() if name in MODEL_FIELDS}
    return {**kept, "flavors": {name: without_config(flavor) for name, flavor in flavors.items()}}


def without_config(flavor: Any) -> Any:
    return {key: value for key, value in flavor.items() if key != "config"} if isinstance(flavor, dict) else flavor
