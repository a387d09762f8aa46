"""MLflow's calls about logged models: what a run saved as a model, whether it is registered or not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from starlette.responses import Response

from treering.domain.logged_model import (
    LOGGED_MODEL,
    CreateLoggedModel,
    DeleteLoggedModel,
    FinalizeLoggedModel,
    LoggedModelSpec,
    LogModelParams,
    TagLoggedModel,
    UntagLoggedModel,
)
from treering.kernel.aggregate import Command
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.tracking.experiments import ACTIVE, KeyValue, experiment_of_key
from treering.views.tracking.logged_models import LoggedModelRow, logged_model
from treering_services.gateway.call import Call
from treering_services.gateway.made_names import name_from
from treering_services.gateway.mlflow.access import find_experiment
from treering_services.gateway.mlflow.errors import MlflowError, absent, invalid
from treering_services.gateway.mlflow.limits import (
    PARAM_CHARACTERS_MAX,
    check_key,
    check_length,
    experiment_number,
    invalid_value,
)
from treering_services.gateway.mlflow.logged_model_messages import (
    STATUSES,
    Finalization,
    ModelParams,
    ModelTags,
    NewLoggedModel,
    OneLoggedModel,
    Which,
    message,
)
from treering_services.gateway.mlflow.messages import answer, from_query, read
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.ownership import must_own
from treering_services.gateway.provenance import check_named

BAD_NAME_CHARACTERS = ("/", ":", ".", "%", '"', "'")
NAME_CHARACTERS_MAX = 500
TAG_CHARACTERS_MAX = 100_000


async def create(call: Call) -> Response:
    asked = await read(call, NewLoggedModel)
    number = experiment_number(asked.experiment_id)
    command_id = call.command_id()
    name = checked_model_name(asked.name) if asked.name else name_from(command_id)
    check_length("model_type", NAME_CHARACTERS_MAX, asked.model_type)
    check_length("source_run_id", NAME_CHARACTERS_MAX, asked.source_run_id)
    params, tags = texts(asked.params, PARAM_CHARACTERS_MAX), texts(asked.tags, TAG_CHARACTERS_MAX)
    model_id = f"m-{hashlib.sha256(command_id.encode()).hexdigest()[:32]}"  # a repeated request finds its model
    uri = f"{await models_root(call, number)}/{model_id}/artifacts"
    spec = LoggedModelSpec(str(number), name, uri, asked.model_type, asked.source_run_id)
    command = CreateLoggedModel(spec, params, tags)
    await check_named(call, workspace_of(call), command)
    await say(call, model_id, command, command_id)
    return await one_model(call, model_id)


async def models_root(call: Call, number: int) -> str:
    """The folder of an experiment's models; MlflowError when there is no such experiment, or it is deleted."""
    key, lifecycle = await find_experiment(call, number)
    if lifecycle != ACTIVE:
        raise invalid(f"The experiment {number} must be in the 'active' state. Current state is deleted.")
    workspace = workspace_of(call)
    found = await call.gateway.tracking.view.peek(lambda db: experiment_of_key(db, workspace, key))
    location = found.artifact_location if found else f"mlflow-artifacts:/{number}"
    return f"{location.rstrip('/')}/models"


def checked_model_name(name: str) -> str:
    if any(character in name for character in BAD_NAME_CHARACTERS):
        raise invalid(
            f"Invalid model name ({name[:100]!r}) provided. Model name must be a non-empty string and cannot contain "
            f"the following characters: {BAD_NAME_CHARACTERS}"
        )
    check_length("name", NAME_CHARACTERS_MAX, name)
    return name


def texts(pairs: Iterable[KeyValue], characters_max: int) -> dict[str, str]:
    """Parameters or tags, the last value of each key."""
    for one in pairs:
        check_key(one.key, "key")
        check_length("value", characters_max, one.value)
    return {one.key: one.value for one in pairs}


async def say(call: Call, model_id: str, command: Command, command_id: str = "") -> None:
    address = Address(workspace_of(call), LOGGED_MODEL.kind, model_id)
    if not isinstance(command, CreateLoggedModel):
        await must_own(call, address, not_found(model_id))
    try:
        await call.gateway.commands.send(address, command, call.context(command_id))
    except Refused as refused:
        if refused.code in ("logged_model.absent", "name.invalid"):
            raise not_found(model_id) from None
        raise


def not_found(model_id: str) -> MlflowError:
    return absent(f"Logged model with ID '{model_id[:100]}' not found.")


async def find(call: Call, model_id: str, *, deleted: bool = False) -> LoggedModelRow:
    workspace = workspace_of(call)
    row = await call.gateway.tracking.peek(lambda db: logged_model(db, workspace, model_id, deleted=deleted))
    if row is None:
        raise not_found(model_id)
    return row


async def one_model(call: Call, model_id: str, *, deleted: bool = False) -> Response:
    return answer(OneLoggedModel(message(await find(call, model_id, deleted=deleted))))


async def get(call: Call) -> Response:
    asked = from_query(call.scope["query_string"], Which)
    return await one_model(call, call.params["model_id"], deleted=asked.allow_deleted.lower() == "true")


async def finalize(call: Call) -> Response:
    asked = await read(call, Finalization)
    said = int(asked.status) if isinstance(asked.status, str) and asked.status.isdecimal() else asked.status
    status = STATUSES.get(said)
    if status is None:
        raise invalid_value("status", asked.status)
    model_id = call.params["model_id"]
    await say(call, model_id, FinalizeLoggedModel(status))
    return await one_model(call, model_id, deleted=True)


async def log_params(call: Call) -> Response:
    asked = await read(call, ModelParams)
    params = texts(asked.params, PARAM_CHARACTERS_MAX)
    if params:
        await say(call, call.params["model_id"], LogModelParams(params))
    else:
        await find(call, call.params["model_id"], deleted=True)
    return answer()


async def set_tags(call: Call) -> Response:
    asked = await read(call, ModelTags)
    tags = texts(asked.tags, TAG_CHARACTERS_MAX)
    if tags:
        await say(call, call.params["model_id"], TagLoggedModel(tags))
    else:
        await find(call, call.params["model_id"], deleted=True)
    return answer()


async def delete_tag(call: Call) -> Response:
    model_id, key = call.params["model_id"], call.params["tag"]
    row = await find(call, model_id, deleted=True)
    if key not in row.state.tags:
        raise absent(f"No tag with key {key[:100]!r} found for model with ID {model_id!r}.")
    await say(call, model_id, UntagLoggedModel(key))
    return answer()


async def delete(call: Call) -> Response:
    await say(call, call.params["model_id"], DeleteLoggedModel())
    return answer()
