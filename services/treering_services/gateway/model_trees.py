"""The files of a registered version as one tree, whoever stored them: a job can be given a model by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from treering.adapters.sqlite_view import Database
from treering.adapters.trees import Manifest, TreeFile
from treering.domain.job_spec import InputSpec
from treering.domain.registered_model import registered_model_key
from treering.kernel.blobs import PREFIX
from treering.kernel.refusal import Refused
from treering.specs.references import Reference, parse_reference
from treering.views.tracking.artifacts import Artifact, files_below, trees
from treering.views.tracking.registry_rows import VersionRow, registered_state, version, versions
from treering_services.gateway.core import Gateway
from treering_services.gateway.mlflow.artifact_paths import TREE, owned
from treering_services.gateway.mlflow.artifact_reads import source_folder
from treering_services.gateway.mlflow.artifact_trees import files_of

LATEST = "latest"
MODEL_TYPES = ("mlflow_model", "custom_model", "triton_model")


async def with_models(gateway: Gateway, workspace: str, inputs: Mapping[str, InputSpec]) -> dict[str, InputSpec]:
    """The inputs with ``azureml:NAME:VERSION`` (or ``@LABEL``) of models resolved: a label to its version, the version
    to the digest of its files."""
    return {name: await with_model(gateway, workspace, given) for name, given in inputs.items()}


async def with_model(gateway: Gateway, workspace: str, given: InputSpec) -> InputSpec:
    if given.digest or given.type not in MODEL_TYPES or not given.path.startswith("azureml:"):
        return given
    reference = parse_reference(given.path)
    if reference.form != "asset":
        return given
    row = await referenced(gateway, workspace, reference)
    path = f"azureml:{row.name}:{row.version}"
    return msgspec.structs.replace(given, path=path, digest=await tree_of(gateway, workspace, row))


async def referenced(gateway: Gateway, workspace: str, reference: Reference) -> VersionRow:
    """The version a reference means now; ``Refused("model.absent")``."""
    await gateway.tracking.commits.reached(await gateway.log.head())
    number = int(reference.version) if reference.version.isascii() and reference.version.isdecimal() else 0
    if not reference.version:
        number = await labelled(gateway, workspace, registered_model_key(reference.name), reference.label or LATEST)
    row = await gateway.tracking.peek(lambda db: version(db, workspace, reference.name, number))
    if row is None:
        raise Refused("model.absent", f"there is no model {reference.text[:200]!r} in workspace {workspace!r}")
    return row


async def labelled(gateway: Gateway, workspace: str, key: str, label: str) -> int:
    """The version a label points at: ``latest`` is the highest number that is not archived, others are aliases."""
    known = await gateway.tracking.peek(lambda db: registered_state(db, workspace, key))
    if known is None or known.state.status != "active":
        raise Refused("model.absent", f"there is no model {key!r}")
    holding = known.state.holding
    if label == LATEST:
        rows = await gateway.tracking.read(lambda db: versions(db, workspace, holding.name))
        shown = [row.version for row in rows if not row.archived]
        if not shown:
            raise Refused("model.absent", f"model {key!r} has no version")
        return max(shown)
    if label not in holding.aliases:
        labels = ", ".join(sorted({LATEST, *holding.aliases}))
        raise Refused("model.absent", f"model {key!r} has no label {label[:80]!r}; it has {labels}")
    return int(holding.aliases[label])


async def tree_of(gateway: Gateway, workspace: str, row: VersionRow) -> str:
    """The digest of the tree of a version's files: nothing is copied, the tree only names them."""
    if row.digest:
        return row.digest
    kept = await gateway.tracking.read(lambda db: kept_at(db, workspace, row))
    found = {file.path: file for file in [*await files_of(gateway, kept.trees), *kept.files]}
    start = f"{kept.path}/" if kept.path else ""
    named = [
        TreeFile(path[len(start) :], file.size_bytes, file.digest, False)
        for path, file in sorted(found.items())
        if path.startswith(start)
    ]
    if not named:
        raise no_files(row)
    return await gateway.blobs.put_bytes(msgspec.json.encode(Manifest(tuple(named))))


class Kept(NamedTuple):
    """What an owner has at and below ``path``: files by themselves, and trees by the folder each stands in."""

    path: str
    files: list[Artifact]
    trees: dict[str, str]


def kept_at(db: Database, workspace: str, row: VersionRow) -> Kept:
    folder = source_folder(db, workspace, row.storage or row.source)
    if folder is None:
        raise no_files(row)
    owner, path = owned(db, workspace, folder)
    if owner.kind == TREE:
        return Kept(path, [], {"": f"{PREFIX}{owner.key}"})
    return Kept(path, files_below(db, owner, path), trees(db, owner))


def no_files(row: VersionRow) -> Refused:
    where = f"it is made of {row.source[:200]!r}"
    return Refused("model.path", f"model {row.name}:{row.version} has no files here: {where}")
