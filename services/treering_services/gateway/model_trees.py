"""The files of a registered version as one tree, whoever stored them: a job can be given a model by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from treering.adapters.trees import Manifest
from treering.domain.job_spec import MODEL_TYPES, InputSpec
from treering.domain.registered_model import registered_model_key
from treering.kernel.refusal import Refused
from treering.specs.references import Reference, parse_reference
from treering.views.tracking.registry_rows import VersionRow, latest_number, registered_state, version
from treering_services.gateway.core import Gateway
from treering_services.gateway.mlflow.source_files import files_at

LATEST = "latest"


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
        number = await gateway.tracking.peek(lambda db: latest_number(db, workspace, key))
        if not number:
            raise Refused("model.absent", f"model {key!r} has no version")
        return number
    if label not in holding.aliases:
        raise no_label(key, label, holding.aliases)
    return int(holding.aliases[label])


def no_label(key: str, label: str, aliases: Iterable[str]) -> Refused:
    labels = ", ".join(sorted({LATEST, *aliases}))
    return Refused("model.absent", f"model {key!r} has no label {label[:80]!r}; it has {labels}")


async def tree_of(gateway: Gateway, workspace: str, row: VersionRow) -> str:
    """The digest of the tree of a version's files: nothing is copied, the tree only names them."""
    if row.digest:
        return row.digest
    named = await files_at(gateway, workspace, row.storage or row.source)
    if not named:
        raise Refused("model.path", f"model {row.name}:{row.version} has no files here: it is made of {row.source!r}")
    return await gateway.blobs.put_bytes(msgspec.json.encode(Manifest(tuple(named))))
