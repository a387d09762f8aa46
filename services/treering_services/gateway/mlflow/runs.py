"""Runs over MLflow's API: make, read, log parameters and tags, end, delete, restore."""

from __future__ import annotations

import hashlib

from starlette.responses import Response

from treering.domain.run import NAME_TAG, RUN
from treering.domain.run_messages import (
    CreateRun,
    DeleteRun,
    DeleteRunTag,
    LogToRun,
    RestoreRun,
    RunStatus,
    UpdateRun,
)
from treering.kernel.clock import new_id, now
from treering.kernel.subjects import Address
from treering.views.tracking.experiments import ACTIVE, KeyValue, place_of
from treering.views.tracking.run_reads import RunData, RunInfo, RunRow, artifact_uri, run, run_info
from treering_services.gateway.call import Call
from treering_services.gateway.made_names import NOUNS
from treering_services.gateway.mlflow.access import find_experiment, find_run, send_to_run, writable_run
from treering_services.gateway.mlflow.errors import SEE, MlflowError, absent, invalid
from treering_services.gateway.mlflow.limits import (
    KEY_CHARACTERS_MAX,
    check_key,
    experiment_number,
    invalid_value,
    key_fault,
    param_value,
    tag_value,
)
from treering_services.gateway.mlflow.messages import answer, read
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.run_messages import (
    CreateRequest,
    OfRun,
    ParamRequest,
    RunAnswer,
    RunInfoAnswer,
    TagKeyRequest,
    UpdateRequest,
)
from treering_services.gateway.ownership import may_change_run
from treering_services.gateway.provenance import check_named

# The words MLflow's own made-up names may begin with, as far as anybody would like to be called so.
PREDICATES = (
    "able", "adaptable", "bold", "bright", "calm", "capable", "charming", "colorful", "delightful", "efficient",
    "fearless", "gentle", "gifted", "judicious", "luminous", "melodic", "nimble", "orderly", "peaceful", "persistent",
    "polite", "resilient", "serious", "sincere", "skillful", "thoughtful", "unique", "upbeat", "useful", "wise",
)  # fmt: skip
# The numbers of the statuses in MLflow's protocol; a word it does not know is not looked at.
STATUSES: dict[str | int, RunStatus] = {
    1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED",
    "RUNNING": "RUNNING", "SCHEDULED": "SCHEDULED", "FINISHED": "FINISHED", "FAILED": "FAILED", "KILLED": "KILLED",
}  # fmt: skip


async def create_run(call: Call) -> Response:
    """The answer is made from what was written: nobody has to wait for the view."""
    request = await read(call, CreateRequest)
    if not request.experiment_id:
        raise MlflowError("BAD_REQUEST", f"Missing value for required parameter 'experiment_id'. {SEE}")
    number = experiment_number(request.experiment_id)
    key, lifecycle = await find_experiment(call, number)
    if lifecycle != ACTIVE:
        raise invalid(f"The experiment {number} must be in the 'active' state. Current state is deleted.")
    tags = checked_tags(request.tags)
    run_id = new_id()
    name = run_name(request.run_name, tags.get(NAME_TAG, ""), run_id)
    start = int(now().timestamp() * 1000) if request.start_time is None else request.start_time
    command = CreateRun(key, name, request.user_id, start, tags)
    gateway, address = call.gateway, Address(workspace_of(call), RUN.kind, run_id)
    await check_named(call, address.workspace, command)
    place = await gateway.tracking.view.peek(lambda db: place_of(db, address.workspace, key))
    await gateway.commands.send(address, command, call.context())
    info = RunInfo(
        run_id,
        str(place.id),
        name,
        request.user_id,
        "RUNNING",
        start,
        artifact_uri(place.location, run_id),
        "active",
        run_id,
    )
    shown = [KeyValue(key, value) for key, value in {**tags, NAME_TAG: name}.items()]
    return answer(RunAnswer(RunRow(info, RunData(tags=shown))))


def run_name(asked: str, tagged: str, run_id: str) -> str:
    """What the run is called: as asked for, by either of the two ways, else made up from its id."""
    if asked and tagged and asked != tagged:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with "
            f"different values (run_name='{asked}', mlflow.runName='{tagged}')."
        )
    digest = hashlib.sha256(run_id.encode()).digest()
    made = f"{PREDICATES[digest[0] % len(PREDICATES)]}-{NOUNS[digest[1] % len(NOUNS)]}-{digest[2] + digest[3]}"
    return asked or tagged or made


def checked_tags(tags: list[KeyValue], path: str = "tags") -> dict[str, str]:
    for index, tag in enumerate(tags):
        if key_fault(tag.key) or len(tag.key) > KEY_CHARACTERS_MAX:
            check_key(tag.key, f"{path}[{index}].key", f"{path}[{index}].key")
    return {tag.key: tag_value(tag.value) for tag in tags}


async def get_run(call: Call) -> Response:
    run_id, workspace = (await read(call, OfRun)).id, workspace_of(call)
    tracking = call.gateway.tracking
    found = await tracking.peek(lambda db: run(db, workspace, run_id))
    if found is None:
        await find_run(call, run_id)
        found = await tracking.peek(lambda db: run(db, workspace, run_id))
    if found is None:
        raise absent(f"Run with id={run_id} not found")
    return answer(RunAnswer(found))


async def update_run(call: Call) -> Response:
    request = await read(call, UpdateRequest)
    run_id, workspace = request.id, workspace_of(call)
    if request.status not in STATUSES and isinstance(request.status, int):
        raise invalid_value("status", request.status, "it may be 1 to 5")
    head = await writable_run(call, run_id)
    await send_to_run(call, run_id, head, UpdateRun(STATUSES.get(request.status), request.end_time, request.run_name))
    found = await call.gateway.tracking.peek(lambda db: run_info(db, workspace, run_id))
    if found is None:
        raise absent(f"Run with id={run_id} not found")
    return answer(RunInfoAnswer(found))


async def log_parameter(call: Call) -> Response:
    request = await read(call, ParamRequest)
    check_key(request.key, "Param key")
    head = await writable_run(call, request.id)
    await send_to_run(call, request.id, head, LogToRun({request.key: param_value(request.value)}))
    return answer()


async def set_tag(call: Call) -> Response:
    request = await read(call, ParamRequest)
    check_key(request.key, "key")
    head = await writable_run(call, request.id)
    await send_to_run(call, request.id, head, LogToRun(tags={request.key: tag_value(request.value)}))
    return answer()


async def delete_tag(call: Call) -> Response:
    request = await read(call, TagKeyRequest)
    head = await writable_run(call, request.id)
    if not (await send_to_run(call, request.id, head, DeleteRunTag(request.key))).changed:
        raise absent(f"No tag with name: {request.key} in run with id {request.id}")
    return answer()


async def delete_run(call: Call) -> Response:
    run_id = (await read(call, OfRun)).id
    head = await find_run(call, run_id)
    may_change_run(call, run_id, head.created_by)
    await send_to_run(call, run_id, head, DeleteRun())
    return answer()


async def restore_run(call: Call) -> Response:
    run_id = (await read(call, OfRun)).id
    head = await find_run(call, run_id)
    may_change_run(call, run_id, head.created_by)
    await send_to_run(call, run_id, head, RestoreRun())
    return answer()
