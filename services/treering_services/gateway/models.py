"""Models as treering's own API has them: a version from files or from a job's output, by name, label or lineage."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from treering.domain.model import MODEL, ModelSpec, ModelType
from treering.domain.registered_model import REGISTERED_MODEL, VERSION_MAX, registered_model_key
from treering.kernel.blobs import checked_digest
from treering.kernel.bounds import FreeObject, Name, Position, Tags, Text
from treering.kernel.command import Written
from treering.kernel.pages import ROW_BYTES, PageFull, page_room
from treering.kernel.refusal import Refused
from treering.kernel.resource_name import ResourceName
from treering.kernel.shared_limits import PAGE_MAX
from treering.kernel.subjects import Address, checked_name
from treering.specs.model_versions import written_version
from treering.views.states import Resource
from treering.views.tracking.registry_rows import VersionRow, of_run
from treering_services.gateway.call import Call, reply, written_headers
from treering_services.gateway.commands import CommandAnswer
from treering_services.gateway.core import Gateway, checked_address
from treering_services.gateway.made_by_run import run_of_version
from treering_services.gateway.model_flavors import flavors
from treering_services.gateway.model_origins import Origin, Wanted, of_tree
from treering_services.gateway.pinning import notes_on, pin
from treering_services.gateway.references import resolve
from treering_services.gateway.registrar import Registrar, ensure_registered
from treering_services.gateway.renaming import rename


class NewModel(Struct, frozen=True, forbid_unknown_fields=True):
    """Without a version it gets the next number; a version that is no whole number is a label of the number it gets.
    ``digest`` is of the tree of its files; without one, ``path`` says which output of a job or which artifacts of a run
    it is made of. ``allow_failed``: also of a job that did not complete. The ``flavors`` of an mlflow_model are read
    from its MLmodel when they are not said."""

    name: ResourceName
    version: Annotated[int, Meta(ge=0, le=VERSION_MAX)] | ResourceName = 0
    type: ModelType = "custom_model"
    path: Text = ""
    digest: Name = ""
    description: Text = ""
    tags: Tags = {}
    properties: Tags = {}
    flavors: FreeObject = {}
    allow_failed: bool = False


class CreatedModel(CommandAnswer, frozen=True, omit_defaults=True):
    """``notes``: how a reference was understood, and why the files are not held by a digest if they are not."""

    notes: list[str] = []


class NewName(Struct, frozen=True, forbid_unknown_fields=True):
    name: ResourceName


class OfRunQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """``page``: the ``next`` of the page before."""

    page: Position = 0


class ModelsAnswer(Struct, frozen=True):
    """Versions, the oldest first. ``next`` is the ``page`` to ask for then, 0 at the end."""

    items: list[Resource]
    next: int = 0


async def create_model(call: Call) -> Response:
    """A version; the model it belongs to comes to be with its first."""
    new = await call.json(NewModel)
    workspace, name, version = call.workspace, checked_name(new.name), written_version(str(new.version or ""))
    await call.gateway.require_workspace(workspace)
    origin = await origin_of(call.gateway, workspace, new)
    known_as = new.flavors or await flavors(call.gateway, new.type, origin.files)
    held = await pin(call.gateway, origin)
    registrar = Registrar(call, workspace)
    await ensure_registered(registrar, name)
    spec = ModelSpec(
        name, version.number, origin.source, held.storage, new.type, held.digest, origin.run_id,
        model_id=origin.model_id, path=origin.path or new.path, flavors=known_as, properties=new.properties,
        label=version.label, unpinned=held.unpinned,
    )  # fmt: skip
    number, written = await registrar.add(spec, new.description, new.tags)
    if spec.label:
        labelled = await registrar.label(spec, number)
        written = msgspec.structs.replace(written, position=max(written.position, labelled.position))
    status = 201 if written.changed and written.version == 1 else 200
    key, notes = f"{registered_model_key(name)}:{number}", [*origin.notes, *notes_on(spec)]
    answer = CreatedModel(written.position, written.version, written.changed, key, notes)
    return reply(answer, status, written_headers(written.position))


async def origin_of(gateway: Gateway, workspace: str, new: NewModel) -> Origin:
    """Raises ``Refused``: ``model.path``, and what ``resolve`` raises."""
    if new.digest:
        return await of_tree(gateway, checked_digest(new.digest))
    if not new.path:
        raise Refused("model.path", "path is missing: say what the model is made of, or give the digest of its tree")
    return await resolve(gateway, workspace, new.path, Wanted(allow_failed=new.allow_failed))


async def models_of_run(call: Call) -> Response:
    """The versions made from a run (a job's run has its name), or from a run nested in it. One that only says so is not
    among them."""
    workspace, key, start = call.workspace, checked_name(call.params["key"]), call.query(OfRunQuery).page
    rows, more = await call.gateway.tracking.read(lambda db: of_run(db, workspace, key, start, PAGE_MAX))

    items, room = list[Resource](), page_room()
    for place, row in enumerate(rows):
        found = await made_so(call, row) if row else None
        if found is None:
            continue
        try:
            room.take(ROW_BYTES + len(bytes(found.state)))
        except PageFull:
            if items:
                return reply(ModelsAnswer(items, start + place))
        items.append(found)
    return reply(ModelsAnswer(items, start + len(rows) if more else 0))


async def made_so(call: Call, row: VersionRow) -> Resource | None:
    """The version, unless somebody only said that it was made by the run that it names."""
    found = await call.gateway.find(Address(call.workspace, MODEL.kind, row.key))
    claim = await run_of_version(call.gateway, call.workspace, row, found.created_by) if found else None
    return found if claim and not claim.said_by else None


async def delete_model(call: Call) -> Response:
    registrar, key = Registrar(call, call.workspace), checked_key(call)
    return done(await registrar.delete_version(key, number_of(key)), key)


async def restore_model(call: Call) -> Response:
    registrar, key = Registrar(call, call.workspace), checked_key(call)
    return done(await registrar.restore_version(key, number_of(key)), key)


async def delete_registered(call: Call) -> Response:
    key = checked_name(call.params["key"])
    return done(await Registrar(call, call.workspace).delete(key), key)


async def restore_registered(call: Call) -> Response:
    key = checked_name(call.params["key"])
    return done(await Registrar(call, call.workspace).restore(key), key)


async def rename_registered(call: Call) -> Response:
    """The versions follow; the old name is free again."""
    new = await call.json(NewName)
    registrar, key = Registrar(call, call.workspace, at_once=True), checked_name(call.params["key"])
    known = await registrar.state(key)
    if known is None:
        raise Refused("registered_model.absent", f"there is no registered model {key!r}")
    await rename(registrar, known.state.holding.name, checked_name(new.name))
    found = await call.gateway.get(Address(call.workspace, REGISTERED_MODEL.kind, registered_model_key(new.name)))
    answer = CommandAnswer(found.position, found.version, True, found.name)
    return reply(answer, headers=written_headers(found.position))


def checked_key(call: Call) -> str:
    """The key of a version: ``name:number``."""
    key = call.params["key"]
    checked_address(call.workspace, MODEL.kind, key)
    number_of(key)
    return key


def number_of(key: str) -> int:
    text = key.partition(":")[2]
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise Refused("model.version", f"{key[:80]!r} names no version; write NAME:NUMBER")
    return int(text)


def done(written: Written, key: str) -> Response:
    answer = CommandAnswer(written.position, written.version, written.changed, key)
    return reply(answer, headers=written_headers(written.position))
