"""Experiments over MLflow's API. Deleting archives: nothing is gone, and the name stays taken."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta
from starlette.responses import Response

from treering.domain.experiment import EXPERIMENT, Experiment, experiment_key
from treering.domain.experiment_messages import (
    ArchiveExperiment,
    CreateExperiment,
    DeleteExperimentTag,
    ReleaseExperimentName,
    RenameExperiment,
    ReserveExperimentName,
    RestoreExperiment,
    SetExperimentTags,
)
from treering.kernel.bounds import Name, Text, Title
from treering.kernel.new_name import check_new_name
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.tracking.experiments import ACTIVE, ExperimentRow, KeyValue, experiment, experiment_named, id_of_key
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.access import find_experiment, no_experiment, own_experiment, send_to_experiment
from treering_services.gateway.mlflow.errors import EXISTS, MlflowError, absent, invalid
from treering_services.gateway.mlflow.limits import (
    CREATED_MAX,
    EXPERIMENT_NAME_CHARACTERS_MAX,
    EXPERIMENT_TAG_CHARACTERS_MAX,
    check_key,
    check_length,
    experiment_number,
)
from treering_services.gateway.mlflow.locations import checked_location
from treering_services.gateway.mlflow.messages import Answer, Request, answer, read
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.ownership import must_own_experiment_with_runs


class CreateRequest(Request, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("name",)
    name: Name = ""
    artifact_location: Title = ""
    tags: Annotated[list[KeyValue], Meta(max_length=CREATED_MAX)] = []


class OneRequest(Request, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("experiment_id",)
    experiment_id: Name = ""


class NameRequest(Request, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("experiment_name",)
    experiment_name: Name = ""


class UpdateRequest(Request, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("experiment_id", "new_name")
    experiment_id: Name = ""
    new_name: Name = ""


class TagRequest(Request, frozen=True):
    required: ClassVar[tuple[str, ...]] = ("experiment_id", "key")
    experiment_id: Name = ""
    key: Name = ""
    value: Text = ""


class CreateAnswer(Answer, frozen=True):
    experiment_id: str


class ExperimentAnswer(Answer, frozen=True):
    experiment: ExperimentRow


async def create_experiment(call: Call) -> Response:
    request = await read(call, CreateRequest)
    check_name(request.name)
    location = checked_location(request.artifact_location, call.header(b"host"))
    tags = dict(checked_tag(tag.key, tag.value) for tag in request.tags)
    key = await key_for_new(call, request.name)
    name = "" if key == request.name else request.name
    try:
        written = await send_to_experiment(
            call, key, CreateExperiment(tags=tags, name=name, artifact_location=location)
        )
    except Refused as refused:
        raise taken(request.name) if refused.code == "experiment.exists" else refused from None
    if not written.changed:
        raise taken(request.name)
    tracking, workspace = call.gateway.tracking, workspace_of(call)
    await tracking.commits.reached(written.position)
    id = await tracking.view.peek(lambda db: id_of_key(db, workspace, key))
    return answer(CreateAnswer(str(id)))


async def key_for_new(call: Call, name: str) -> str:
    """The key of a new experiment: that of its name, unless an experiment has it that is called otherwise by now.

    Then the name is reserved for a further key, which the log numbers. A creation that was cut off in between is
    found by the reservation, and completed.
    """
    key, workspace = experiment_key(name), workspace_of(call)
    slot = await call.gateway.find(
        Address(workspace, EXPERIMENT.kind, key), after=call.gateway.tracking.commits_written
    )
    if slot is None:
        return key
    state = EXPERIMENT.states.decode(slot.state)
    if state.holder:
        return await holder_or_refuse(call, name, state)
    if state.status == "absent":
        return key
    if not state.renamed:
        raise taken(name)
    further = experiment_key(name, slot.version)
    try:
        await send_to_experiment(call, key, ReserveExperimentName(further))
    except Refused:
        raise taken(name) from None
    return further


async def holder_or_refuse(call: Call, name: str, slot: Experiment) -> str:
    """The key for which ``name`` is reserved, if nothing has been made there yet."""
    if await call.gateway.find(Address(workspace_of(call), EXPERIMENT.kind, slot.holder)) is not None:
        raise taken(name)
    return slot.holder


def taken(name: str) -> MlflowError:
    return MlflowError(EXISTS, f"Experiment(name={name}) already exists.")


def check_name(name: str) -> None:
    if not name.strip():
        raise invalid(f"Invalid experiment name: '{name}'")
    check_new_name(EXPERIMENT.kind, name)
    if len(name) > EXPERIMENT_NAME_CHARACTERS_MAX:
        raise invalid(f"'name' exceeds the maximum length of {EXPERIMENT_NAME_CHARACTERS_MAX} characters")


def checked_tag(key: str, value: str) -> tuple[str, str]:
    check_key(key, "key")
    check_length("value", EXPERIMENT_TAG_CHARACTERS_MAX, value)
    return key, value


async def get_experiment(call: Call) -> Response:
    number = experiment_number((await read(call, OneRequest)).experiment_id)
    workspace = workspace_of(call)
    found = await call.gateway.tracking.peek(lambda db: experiment(db, workspace, number))
    if found is None:
        await find_experiment(call, number)
        found = await call.gateway.tracking.peek(lambda db: experiment(db, workspace, number))
    if found is None:
        raise no_experiment(number)
    return answer(ExperimentAnswer(found))


async def get_experiment_by_name(call: Call) -> Response:
    name, workspace = (await read(call, NameRequest)).experiment_name, workspace_of(call)
    tracking = call.gateway.tracking
    found = await tracking.peek(lambda db: experiment_named(db, workspace, name))
    if found is None:
        await tracking.commits.reached(await call.gateway.log.head())
        found = await tracking.peek(lambda db: experiment_named(db, workspace, name))
    if found is None:
        raise absent(f"Could not find experiment with name '{name}'")
    return answer(ExperimentAnswer(found))


async def delete_experiment(call: Call) -> Response:
    number = experiment_number((await read(call, OneRequest)).experiment_id)
    key, _ = await find_experiment(call, number)
    await must_own_experiment_with_runs(call, workspace_of(call), key)
    if not (await send_to_experiment(call, key, ArchiveExperiment())).changed:
        raise no_experiment(number)
    return answer()


async def restore_experiment(call: Call) -> Response:
    number = experiment_number((await read(call, OneRequest)).experiment_id)
    key, _ = await find_experiment(call, number)
    await must_own_experiment_with_runs(call, workspace_of(call), key)
    if not (await send_to_experiment(call, key, RestoreExperiment())).changed:
        raise no_experiment(number)
    return answer()


async def update_experiment(call: Call) -> Response:
    """Rename: the new name is reserved first and the old one given back last, so no moment has two of one name."""
    request = await read(call, UpdateRequest)
    number, new = experiment_number(request.experiment_id), request.new_name
    check_name(new)
    key, lifecycle = await own_experiment(call, number)
    if lifecycle != ACTIVE:
        raise MlflowError("INVALID_STATE", "Cannot rename a non-active experiment.")
    workspace = workspace_of(call)
    before = await call.gateway.tracking.peek(lambda db: experiment(db, workspace, number))
    old = before.name if before else new
    if old == new:
        return answer()
    slot = experiment_key(new)
    try:
        if slot != key:
            await send_to_experiment(call, slot, ReserveExperimentName(key))
        await send_to_experiment(call, key, RenameExperiment(new, away=slot != key))
        if experiment_key(old) != key:
            await send_to_experiment(call, experiment_key(old), ReleaseExperimentName(key))
    except Refused as refused:
        raise in_words(refused, number, new) from None
    return answer()


async def set_experiment_tag(call: Call) -> Response:
    request = await read(call, TagRequest)
    tag = checked_tag(request.key, request.value)
    number = experiment_number(request.experiment_id)
    key, _ = await own_experiment(call, number)
    try:
        await send_to_experiment(call, key, SetExperimentTags(dict([tag])))
    except Refused as refused:
        raise in_words(refused, number) from None
    return answer()


async def delete_experiment_tag(call: Call) -> Response:
    request = await read(call, TagRequest)
    number = experiment_number(request.experiment_id)
    key, _ = await own_experiment(call, number)
    try:
        written = await send_to_experiment(call, key, DeleteExperimentTag(request.key))
    except Refused as refused:
        raise in_words(refused, number) from None
    if not written.changed:
        raise absent(f"No tag with name: {request.key} in experiment with id {number}")
    return answer()


def in_words(refused: Refused, number: int, name: str = "") -> Exception:
    match refused.code:
        case "experiment.exists":
            return taken(name)
        case "experiment.not_active":
            return invalid(f"The experiment {number} must be in the 'active' state. Current state is deleted.")
        case _:
            return refused
