"""Models as treering's own API has them: a version from files or from a job's output, by name, label or lineage."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from treering.adapters.trees import Manifest, read_manifest
from treering.domain.job import JOB, Job
from treering.domain.model import MODEL, ModelSpec, ModelType
from treering.domain.registered_model import REGISTERED_MODEL, VERSION_MAX, registered_model_key
from treering.kernel.blobs import PREFIX, absent, checked_digest
from treering.kernel.command import Written
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath
from treering.kernel.subjects import Address, checked_name
from treering.specs.references import Reference, parse_reference
from treering.views.states import Resource
from treering.views.tracking.registry_rows import of_run, registered_model
from treering_services.gateway.call import Call, reply, written_headers
from treering_services.gateway.commands import CommandAnswer, command_reply
from treering_services.gateway.core import Gateway, checked_address
from treering_services.gateway.model_trees import labelled
from treering_services.gateway.registrar import Registrar
from treering_services.gateway.renaming import rename

TREES = "mlflow-artifacts:/trees"  # where MLflow's clients find a tree of files by its digest


class NewModel(Struct, frozen=True, forbid_unknown_fields=True):
    """Without a version it gets the next number. ``digest`` is of the tree of its files; without one, ``path`` says
    which output of a job or which artifacts of a run it is made of."""

    name: str
    version: Annotated[int, Meta(ge=0, le=VERSION_MAX)] = 0
    type: ModelType = "custom_model"
    path: str = ""
    digest: str = ""
    description: str = ""
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    flavors: dict[str, Any] = {}


class NewName(Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class ModelsAnswer(Struct, frozen=True):
    """Versions, the oldest first."""

    items: list[Resource]


class Origin(NamedTuple):
    """Where the files of a version are, and what made them."""

    source: str
    digest: str = ""
    run_id: str = ""


async def create_model(call: Call) -> Response:
    """A version; the model it belongs to comes to be with its first."""
    new = await call.json(NewModel)
    workspace, name = call.workspace, checked_name(new.name)
    await call.gateway.require_workspace(workspace)
    origin = await origin_of(call.gateway, workspace, new)
    registrar = Registrar(call, workspace)
    await ensure_registered(registrar, name)
    spec = ModelSpec(
        name, new.version, origin.source, origin.source, new.type, origin.digest, origin.run_id, path=new.path,
        flavors=new.flavors, properties=new.properties,
    )  # fmt: skip
    number, written = await registrar.add(spec, new.description, new.tags)
    return command_reply(written, f"{registered_model_key(name)}:{number}")


async def ensure_registered(registrar: Registrar, name: str) -> None:
    known = await registrar.tracking.peek(lambda db: registered_model(db, registrar.workspace, name))
    if known is not None:
        return
    try:
        await registrar.create(name, step="registered")
    except Refused as refused:
        if refused.code != "registered_model.exists":  # somebody was first
            raise


async def origin_of(gateway: Gateway, workspace: str, new: NewModel) -> Origin:
    """Raises ``Refused``: ``blob.absent``, ``model.path``, ``job.absent``, ``model.output_absent``."""
    if new.digest:
        return await of_tree(gateway, checked_digest(new.digest))
    reference = parse_reference(new.path)
    match reference.form:
        case "job_output":
            return await of_output(gateway, workspace, reference)
        case "run":
            return Origin(new.path, run_id=reference.job)
        case _:
            wanted = "a local path, azureml://jobs/JOB/outputs/NAME/paths/P or runs:/RUN/P"
            raise Refused("model.path", f"path is {new.path[:200]!r}; a model is made of {wanted}")


async def of_tree(gateway: Gateway, digest: str, run_id: str = "") -> Origin:
    if await gateway.blobs.size(digest) is None:
        raise absent(digest)
    return Origin(f"{TREES}/{digest.removeprefix(PREFIX)}", digest, run_id)


async def of_output(gateway: Gateway, workspace: str, reference: Reference) -> Origin:
    """An output of a job, or what is below a path in it: again a tree, of which nothing is copied."""
    found = await gateway.get(checked_address(workspace, JOB.kind, reference.job))
    job: Job = JOB.states.decode(found.state)
    output = job.outputs.get(reference.name)
    if output is None:
        known = ", ".join(sorted(job.outputs)) or "none"
        raise Refused("model.output_absent", f"job {reference.job!r} has no output {reference.name!r}; it has {known}")
    digest = await below(gateway, output.digest, SafePath.parse(reference.path).text)
    return await of_tree(gateway, digest, run_id=reference.job)


async def below(gateway: Gateway, digest: str, path: str) -> str:
    """The tree of what stands at ``path`` of a tree; a file is a tree of one."""
    if not path:
        return digest
    files = (await read_manifest(gateway.blobs, digest)).files
    change = msgspec.structs.replace
    found = [change(file, path=file.path[len(path) + 1 :]) for file in files if file.path.startswith(f"{path}/")]
    found = found or [change(file, path=path.rpartition("/")[2]) for file in files if file.path == path]
    if not found:
        raise Refused("model.output_absent", f"there is nothing at {path!r} in this output")
    return await gateway.blobs.put_bytes(msgspec.json.encode(Manifest(tuple(found))))


async def model_by_label(call: Call) -> Response:
    """``latest`` is the version with the highest number; other labels are the aliases of the model."""
    name, label = call.params["key"], call.params["label"]
    number = await labelled(call.gateway, call.workspace, checked_name(name), label)
    return reply(await call.gateway.get(Address(call.workspace, MODEL.kind, f"{name}:{number}")))


async def models_of_run(call: Call) -> Response:
    """The versions made from a run (a job's run has its name), or from a run nested in it."""
    workspace, key = call.workspace, checked_name(call.params["key"])
    rows = await call.gateway.tracking.read(lambda db: of_run(db, workspace, key))
    found = [await call.gateway.find(Address(workspace, MODEL.kind, row.key)) for row in rows]
    return reply(ModelsAnswer([one for one in found if one is not None]))


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
    registrar, key = Registrar(call, call.workspace), checked_name(call.params["key"])
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
