"""``models:/...``: a version, the latest one, an alias, the latest of a stage, or a logged model by its id."""

from __future__ import annotations

from typing import NamedTuple

from treering.views.tracking.registry import PROMPT
from treering.views.tracking.registry_rows import VersionRow, in_stage
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import absent, invalid
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.registry_find import get_model, get_version, latest_of
from treering_services.gateway.mlflow.registry_rules import LATEST, canonical_stage, version_number

SCHEME = "models:/"


class ModelUri(NamedTuple):
    """Either ``model_id`` is set, or ``name`` with at most one of the others; none of them means the latest."""

    model_id: str = ""
    name: str = ""
    version: str = ""
    stage: str = ""
    alias: str = ""


def parse_model_uri(uri: str) -> ModelUri:
    """Take a models URI apart; MlflowError for one that names a host, or nothing."""
    rest = uri.removeprefix(SCHEME)
    parts = rest.split("/")
    if not uri.startswith(SCHEME) or uri.startswith(f"{SCHEME}/") or len(parts) > 2 or not all(map(str.strip, parts)):
        raise invalid(
            f"Invalid model version source: '{uri}'. The model_id request parameter must identify the resource that "
            "contains the source; write models:/NAME/VERSION, models:/NAME@ALIAS or models:/MODEL_ID."
        )
    if len(parts) == 1:
        name, at, alias = parts[0].rpartition("@")
        return ModelUri(name=name, alias=alias) if at and name and alias else ModelUri(model_id=parts[0])
    name, word = parts
    if word.isascii() and word.isdecimal():
        return ModelUri(name=name, version=word)
    return ModelUri(name=name) if word.lower() == LATEST else ModelUri(name=name, stage=word)


async def version_of(call: Call, uri: str) -> VersionRow:
    """The version a models URI means now; MlflowError when there is none, or it is a prompt's."""
    said = parse_model_uri(uri)
    model = await get_model(call, said.name)
    if model.tags.get(PROMPT, "false").lower() == "true":
        raise invalid(
            f"Invalid model version source: '{uri}'. Prompt versions cannot be used as model version sources."
        )
    if said.alias:
        if said.alias not in model.aliases:
            raise invalid(f"Registered model alias {said.alias} not found.")
        return (await get_version(call, model.name, str(model.aliases[said.alias])))[1]
    if said.version:
        return (await get_version(call, model.name, str(version_number(said.version))))[1]
    found = await latest_of(call, model)
    if said.stage:
        stage, workspace = canonical_stage(said.stage), workspace_of(call)
        found = await call.gateway.tracking.peek(lambda db: in_stage(db, workspace, model.name, stage))
    if not found:
        raise absent(f"No versions of model with name '{model.name}' and stage '{said.stage or 'None'}' found")
    return max(found, key=lambda row: row.version)
