"""MLflow's calls about the versions of registered models and their aliases, except searches."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from treering.domain.logged_model import LOGGED_MODEL, TagLoggedModel
from treering.domain.model import MODEL, ChangeStage, CreateModel, ModelSpec, Stage, TagModel, UntagModel, UpdateModel
from treering.domain.registered_model import REGISTERED_MODEL
from treering.domain.registered_model_messages import AssignAlias, RemoveAlias
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.tracking.logged_models import logged_model
from treering.views.tracking.registry_rows import ModelRow, VersionRow, in_stage
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import MlflowError, absent, invalid
from treering_services.gateway.mlflow.messages import answer, read
from treering_services.gateway.mlflow.model_sources import Source, is_prompt, resolve
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.registry_find import get_model, get_version, latest_of
from treering_services.gateway.mlflow.registry_messages import (
    AliasOf,
    DownloadUri,
    NewAlias,
    NewVersion,
    OneVersion,
    Transition,
    VersionDescription,
    VersionOf,
    VersionTag,
    version_message,
)
from treering_services.gateway.mlflow.registry_rules import (
    LATEST,
    alias_name,
    canonical_stage,
    check_tag,
    free_alias_name,
    model_name,
    tags_of,
)
from treering_services.gateway.model_flavors import flavors
from treering_services.gateway.model_origins import of_tree
from treering_services.gateway.ownership import must_own, must_own_version_for_good, owns
from treering_services.gateway.pinning import Pinned, pin, pin_at
from treering_services.gateway.provenance import check_named
from treering_services.gateway.registrar import Registrar, together

MODEL_VERSIONS = "mlflow.modelVersions"  # the tag of a logged model that says what was registered from it
ACTIVE_STAGES = ("Staging", "Production")


async def create(call: Call) -> Response:
    asked = await read(call, NewVersion)
    name, tags = model_name(asked.name), tags_of(asked.tags)
    source = await resolve(call, asked, tags)
    await get_model(call, name)
    held = Pinned(source.storage) if is_prompt(tags) else await held_from(call, source)
    spec = ModelSpec(
        name, 0, source.uri, held.storage, digest=held.digest, run_id=source.run_id, run_link=asked.run_link,
        model_id=source.model_id, flavors=await flavors_of(call, held), unpinned=held.unpinned,
    )  # fmt: skip
    registrar = Registrar(call, workspace_of(call))
    await check_named(call, registrar.workspace, CreateModel(spec), shown=source.shown)
    try:
        number, _ = await registrar.add(spec, asked.description, tags)
    except Refused as refused:
        if refused.code == "registered_model.absent":
            raise absent(f"Registered Model with name={name} not found") from None
        raise
    if source.model_id and await owns(call, Address(registrar.workspace, LOGGED_MODEL.kind, source.model_id)):
        await note_registration(registrar, source.model_id, name, number)
    return await one_version(call, name, number)


async def held_from(call: Call, source: Source) -> Pinned:
    if source.digest:
        return await pin(call.gateway, await of_tree(call.gateway, source.digest))
    return await pin_at(call.gateway, workspace_of(call), source.storage)


async def flavors_of(call: Call, held: Pinned) -> dict[str, Any]:
    """What a model that was logged here can be loaded as; MLflow registers what has no MLmodel, too."""
    try:
        return await flavors(call.gateway, "mlflow_model", held.files)
    except Refused:
        return {}


async def note_registration(registrar: Registrar, model_id: str, name: str, number: int) -> None:
    """The logged model says in a tag which versions were made of it. One that a job registers and did not make itself
    stays as it is: the version says what it was made of."""
    known = await registrar.tracking.peek(lambda db: logged_model(db, registrar.workspace, model_id, deleted=True))
    if known is None:
        return
    try:
        before = json.loads(known.state.tags.get(MODEL_VERSIONS, "[]"))
    except (ValueError, RecursionError):
        before = []  # somebody wrote something else there
    entry = {"name": name, "version": number}
    if not isinstance(before, list) or entry in before:
        return
    tag = TagLoggedModel({MODEL_VERSIONS: json.dumps([*before, entry])})
    await registrar.say(LOGGED_MODEL.kind, model_id, tag, "registered")


async def one_version(call: Call, name: str, number: int) -> Response:
    model, row = await get_version(call, name, str(number))
    return answer(OneVersion(version_message(row, model.aliases)))


async def get(call: Call) -> Response:
    asked = await read(call, VersionOf)
    model, row = await get_version(call, asked.name, asked.version)
    return answer(OneVersion(version_message(row, model.aliases)))


async def own_version(call: Call, name: str, version: str) -> tuple[ModelRow, VersionRow]:
    """A version that the caller may change, and its model."""
    model, row = await get_version(call, name, version)
    await must_own(call, Address(workspace_of(call), MODEL.kind, row.key))
    return model, row


async def update(call: Call) -> Response:
    asked = await read(call, VersionDescription)
    _, row = await own_version(call, asked.name, asked.version)
    await Registrar(call, workspace_of(call)).say(MODEL.kind, row.key, UpdateModel(asked.description))
    return await one_version(call, row.name, row.version)


async def delete(call: Call) -> Response:
    asked = await read(call, VersionOf)
    model, row = await get_version(call, asked.name, asked.version)
    await must_own_version_for_good(call, workspace_of(call), row, model.aliases)
    await Registrar(call, workspace_of(call)).delete_version(row.key, row.version)
    return answer()


async def download_uri(call: Call) -> Response:
    asked = await read(call, VersionOf)
    _, row = await get_version(call, asked.name, asked.version)
    return answer(DownloadUri(row.storage or row.source))


async def set_tag(call: Call) -> Response:
    asked = await read(call, VersionTag)
    check_tag(asked.key, asked.value)
    _, row = await own_version(call, asked.name, asked.version)
    await Registrar(call, workspace_of(call)).say(MODEL.kind, row.key, TagModel({asked.key: asked.value}))
    return answer()


async def delete_tag(call: Call) -> Response:
    asked = await read(call, VersionTag)
    check_tag(asked.key)
    _, row = await own_version(call, asked.name, asked.version)
    await Registrar(call, workspace_of(call)).say(MODEL.kind, row.key, UntagModel(asked.key))
    return answer()


async def transition(call: Call) -> Response:
    asked = await read(call, Transition)
    stage = canonical_stage(asked.stage)
    if asked.archive_existing_versions and stage not in ACTIVE_STAGES:
        raise MlflowError(
            "INVALID_PARAMETER_VALUE",
            "Model version transition cannot archive existing model versions because "
            f"'{asked.stage}' is not an Active stage. Valid stages are {list(ACTIVE_STAGES)}",
        )
    _, row = await own_version(call, asked.name, asked.version)
    registrar = Registrar(call, workspace_of(call), at_once=True)
    if stage in ACTIVE_STAGES:  # what other programs load by its stage, as by an alias, is the model's matter
        await must_own(call, Address(registrar.workspace, REGISTERED_MODEL.kind, row.key.rpartition(":")[0]))
    others = await others_in_stage(registrar, row, stage) if asked.archive_existing_versions else []
    for one in others:
        await must_own(call, Address(registrar.workspace, MODEL.kind, one.key))
    await registrar.say(MODEL.kind, row.key, ChangeStage(stage))
    await together(registrar.say(MODEL.kind, one.key, ChangeStage("Archived"), "archived") for one in others)
    return await one_version(call, row.name, row.version)


async def others_in_stage(registrar: Registrar, row: VersionRow, stage: Stage) -> list[VersionRow]:
    found = await registrar.tracking.peek(lambda db: in_stage(db, registrar.workspace, row.name, stage))
    return [one for one in found if one.version != row.version]


async def set_alias(call: Call) -> Response:
    asked = await read(call, NewAlias)
    model_name(asked.name)
    alias = free_alias_name(asked.alias)
    model, row = await get_version(call, asked.name, asked.version)
    await must_own(call, Address(workspace_of(call), REGISTERED_MODEL.kind, model.key))
    try:
        await Registrar(call, workspace_of(call)).say(REGISTERED_MODEL.kind, model.key, AssignAlias(alias, row.version))
    except Refused as refused:
        if refused.code == "model.absent":  # it was deleted meanwhile
            raise absent(f"Model Version (name={asked.name}, version={asked.version}) not found") from None
        raise
    return answer()


async def delete_alias(call: Call) -> Response:
    asked = await read(call, AliasOf)
    model_name(asked.name)
    alias = alias_name(asked.alias)
    model = await get_model(call, asked.name)
    await must_own(call, Address(workspace_of(call), REGISTERED_MODEL.kind, model.key))
    await Registrar(call, workspace_of(call)).say(REGISTERED_MODEL.kind, model.key, RemoveAlias(alias))
    return answer()


async def get_by_alias(call: Call) -> Response:
    """``latest`` means the highest number; it cannot be assigned."""
    asked = await read(call, AliasOf)
    model = await get_model(call, asked.name)
    alias = alias_name(asked.alias)
    if alias.lower() == LATEST:
        found = [row.version for row in await latest_of(call, model)]
        if not found:
            raise absent(f"Latest version not found for model {asked.name}.")
        return await one_version(call, model.name, max(found))
    if alias not in model.aliases:
        raise invalid(f"Registered model alias {alias} not found.")
    return await one_version(call, model.name, model.aliases[alias])
