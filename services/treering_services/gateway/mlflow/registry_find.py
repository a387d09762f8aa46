"""Registered models and versions by name, as the view shows them, or MLflow's words for what is not there."""

from __future__ import annotations

from treering.views.tracking.registry_rows import ModelRow, VersionRow, latest, registered_model, version
from treering_services.gateway.call import Call
from treering_services.gateway.mlflow.errors import absent
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.registry_rules import model_name, version_number


async def latest_of(call: Call, row: ModelRow) -> list[VersionRow]:
    workspace = workspace_of(call)
    found = await call.gateway.tracking.peek(lambda db: latest(db, workspace, [row.name]))
    return found[row.name]


async def get_model(call: Call, name: str) -> ModelRow:
    row = await find_model(call, model_name(name))
    if row is None:
        raise absent(f"Registered Model with name={name} not found")
    return row


async def find_model(call: Call, name: str) -> ModelRow | None:
    workspace = workspace_of(call)
    return await call.gateway.tracking.peek(lambda db: registered_model(db, workspace, name))


async def get_version(call: Call, name: str, text: str) -> tuple[ModelRow, VersionRow]:
    """A version and its model; MlflowError when it is not there."""
    model_name(name)
    number, workspace = version_number(text), workspace_of(call)
    row = await call.gateway.tracking.peek(lambda db: version(db, workspace, name, number))
    if row is None:
        raise absent(f"Model Version (name={name}, version={text}) not found")
    return await get_model(call, name), row
