"""Gives a registered model another name: the new name is reserved, the old one lets go, the versions follow.

Whatever is broken off in between is finished when the request is made again: the old name says where it went.
Versions that were deleted go along, and stay deleted; those of an earlier model of the old name do not.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from treering.domain.model import MODEL, ModelState, RenameModel, TransferModel
from treering.domain.registered_model import REGISTERED_MODEL, registered_model_key
from treering.domain.registered_model_messages import (
    ReleaseName,
    RenameRegisteredModel,
    ReserveName,
    TransferRegisteredModel,
)
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.tracking.registry import Folded
from treering_services.gateway.registrar import Registrar, together


async def rename(registrar: Registrar, name: str, new_name: str) -> None:
    """Raises ``Refused``: ``registered_model.absent`` for the old name, ``registered_model.exists`` for the new."""
    key, new_key = registered_model_key(name), registered_model_key(new_name)
    if key == new_key:
        return
    known = await registrar.state(key)
    if known is None or not (known.state.status == "renamed" and known.state.to == new_name):
        await let_go(registrar, name, new_name)
    moved = await registrar.state(key)
    if moved is None:
        raise Refused("registered_model.absent", "there is no registered model of this name")
    await take_over(registrar, name, new_name, moved)
    await move_versions(registrar, key, new_key, new_name, moved.state.holding.removed)


async def let_go(registrar: Registrar, name: str, new_name: str) -> None:
    key, new_key = registered_model_key(name), registered_model_key(new_name)
    await registrar.say(REGISTERED_MODEL.kind, new_key, ReserveName(name), "reserved")
    try:
        await registrar.say(REGISTERED_MODEL.kind, key, RenameRegisteredModel(new_name))
    except Refused:
        await registrar.say(REGISTERED_MODEL.kind, new_key, ReleaseName(name), "released")
        raise


async def take_over(registrar: Registrar, name: str, new_name: str, moved: Folded) -> None:
    """What the old name held is final: nothing is changed under a name that has let go."""
    change, new_key = msgspec.structs.replace, registered_model_key(new_name)
    made = await origin(registrar, REGISTERED_MODEL.kind, registered_model_key(name))
    held = moved.state.holding
    lapsed = {alias: version for alias, version in held.lapsed.items() if version in held.removed}
    holding = change(held, name=new_name, lapsed=lapsed, **made)
    command = TransferRegisteredModel(name, holding, moved.state.archived)
    try:
        await registrar.say(REGISTERED_MODEL.kind, new_key, command, "transferred")
    except Refused:
        known = await registrar.state(new_key)
        if known is None or known.state.previous != name:  # else it was done before, and changed since
            raise


async def origin(registrar: Registrar, kind: str, key: str) -> dict[str, Any]:
    """When it was made and by whom, under whatever name it was then."""
    gateway = registrar.call.gateway
    found = await gateway.get(Address(registrar.workspace, kind, key), after=gateway.tracking.commits_written)
    return {"created_at": datetime.fromisoformat(found.created_at), "created_by": found.created_by}


async def move_versions(registrar: Registrar, key: str, new_key: str, new_name: str, removed: Collection[int]) -> None:
    """First each lets go of its old key, so that what it was then is final; then it is there under the new one."""
    there = await registrar.states(new_key)

    def goes(version: str, state: ModelState) -> bool:
        """What is deleted does not take the place of what can be restored there."""
        was_removed = state.spec is not None and state.status == "deleted" and state.spec.version in removed
        return state.status == "active" or (was_removed and renamed(version, new_key) not in there)

    await together(
        registrar.say(MODEL.kind, version, RenameModel(renamed(version, new_key)), "renamed")
        for version, known in (await registrar.states(key)).items()
        if goes(version, known.state)
    )
    generation = await registrar.generation(new_key)
    await together(
        transfer(registrar, version, renamed(version, new_key), Under(new_name, generation), known)
        for version, known in (await registrar.states(key)).items()
        if known.state.status == "renamed" and known.state.to == renamed(version, new_key)
    )


def renamed(version: str, new_key: str) -> str:
    return f"{new_key}:{version.rpartition(':')[2]}"


class Under(NamedTuple):
    """The name that a version gets, and which of the models that had it is the new one."""

    name: str
    generation: int


async def transfer(registrar: Registrar, version: str, target: str, under: Under, moved: Folded) -> None:
    change = msgspec.structs.replace
    spec = change(moved.state.spec, name=under.name, generation=under.generation)
    state = change(
        moved.state, status=moved.state.was, was="active", to="", previous="", spec=spec,
        **await origin(registrar, MODEL.kind, version),
    )  # fmt: skip
    try:
        await registrar.say(MODEL.kind, target, TransferModel(version, state), "transferred")
    except Refused:
        known = await registrar.version_state(target)
        if known is None or known.state.previous != version:  # else it was done before, and changed since
            raise
