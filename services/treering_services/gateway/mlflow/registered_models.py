"""MLflow's calls about registered models, except searches."""

from __future__ import annotations

from starlette.responses import Response

from treering.domain.registered_model import REGISTERED_MODEL
from treering.domain.registered_model_messages import TagRegisteredModel, UntagRegisteredModel, UpdateRegisteredModel
from treering.kernel.new_name import check_new_name
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.tracking.registry import PROMPT
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import MlflowError, absent
from treering_services.gateway.mlflow.messages import answer, read
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.registry_find import find_model, get_model, latest_of
from treering_services.gateway.mlflow.registry_messages import (
    Description,
    ModelTag,
    NameOf,
    NewModel,
    OneModel,
    Renaming,
    Stages,
    Versions,
    model_message,
    version_message,
)
from treering_services.gateway.mlflow.registry_rules import canonical_stage, check_tag, exists, model_name, tags_of
from treering_services.gateway.ownership import must_own, must_own_model_with_versions
from treering_services.gateway.registrar import Registrar
from treering_services.gateway.renaming import rename


async def create(call: Call) -> Response:
    asked = await read(call, NewModel)
    name, tags = model_name(asked.name), tags_of(asked.tags)
    try:
        await Registrar(call, workspace_of(call)).create(name, asked.description, tags)
    except Refused as refused:
        if refused.code != "registered_model.exists":
            raise
        raise await taken(call, name, PROMPT in tags) from None
    return await one_model(call, name)


async def taken(call: Call, name: str, prompt: bool) -> MlflowError:
    """A prompt is a registered model with a tag, and the client must hear which of the two has the name."""
    row = await find_model(call, name)
    kinds = ("Registered Model", "Prompt")
    new, old = kinds[prompt], kinds[row is not None and PROMPT in row.tags]
    if new == old:
        return exists(f"{new} (name={name}) already exists.")
    return exists(
        f"Tried to create a {new.lower()} with name {name!r}, but the name is already taken by a {old.lower()}. "
        "MLflow does not allow creating a model and a prompt with the same name."
    )


async def get(call: Call) -> Response:
    return await one_model(call, (await read(call, NameOf)).name)


async def one_model(call: Call, name: str) -> Response:
    row = await get_model(call, name)
    return answer(OneModel(model_message(row, await latest_of(call, row))))


async def update(call: Call) -> Response:
    asked = await read(call, Description)
    row = await get_model(call, asked.name)
    await must_own(call, Address(workspace_of(call), REGISTERED_MODEL.kind, row.key))
    await Registrar(call, workspace_of(call)).say(
        REGISTERED_MODEL.kind, row.key, UpdateRegisteredModel(asked.description)
    )
    return await one_model(call, row.name)


async def rename_model(call: Call) -> Response:
    asked = await read(call, Renaming)
    new_name = model_name(asked.new_name, "new_name")
    name = model_name(asked.name)
    check_new_name(REGISTERED_MODEL.kind, new_name)  # before it is kept for the model
    if call.caller.is_bounded:
        await must_own_model_with_versions(call, workspace_of(call), await key_of(call, name, new_name))
    try:
        await rename(Registrar(call, workspace_of(call), at_once=True), name, new_name)
    except Refused as refused:
        if refused.code == "registered_model.exists":
            raise exists(f"Registered Model (name={new_name}) already exists.") from None
        if refused.code == "registered_model.absent":
            raise absent(f"Registered Model with name={name} not found") from None
        raise
    return await one_model(call, new_name)


async def key_of(call: Call, name: str, new_name: str) -> str:
    """The key that a renaming is about: of the new name, when it was cut off in between and is said again."""
    row = await find_model(call, name) or await find_model(call, new_name)
    if row is None:
        raise absent(f"Registered Model with name={name} not found")
    return row.key


async def delete(call: Call) -> Response:
    asked = await read(call, NameOf)
    row = await get_model(call, asked.name)
    await must_own_model_with_versions(call, workspace_of(call), row.key)
    await Registrar(call, workspace_of(call)).delete(row.key)
    return answer()


async def latest_versions(call: Call) -> Response:
    asked = await read(call, Stages)
    row = await get_model(call, asked.name)
    wanted = {canonical_stage(stage) for stage in asked.stages}
    found = [one for one in await latest_of(call, row) if not wanted or one.stage in wanted]
    return answer(Versions([version_message(one, row.aliases) for one in found]))


async def set_tag(call: Call) -> Response:
    asked = await read(call, ModelTag)
    check_tag(asked.key, asked.value)
    row = await get_model(call, asked.name)
    await must_own(call, Address(workspace_of(call), REGISTERED_MODEL.kind, row.key))
    command = TagRegisteredModel({asked.key: asked.value})
    await Registrar(call, workspace_of(call)).say(REGISTERED_MODEL.kind, row.key, command)
    return answer()


async def delete_tag(call: Call) -> Response:
    asked = await read(call, ModelTag)
    check_tag(asked.key)
    row = await get_model(call, asked.name)
    await must_own(call, Address(workspace_of(call), REGISTERED_MODEL.kind, row.key))
    await Registrar(call, workspace_of(call)).say(REGISTERED_MODEL.kind, row.key, UntagRegisteredModel(asked.key))
    return answer()
