"""The files of a registered version, or of a logged model, whoever stored them."""

from __future__ import annotations

from collections.abc import Iterable

from treering.adapters.trees import read_manifest
from treering.domain.registered_model import registered_model_key
from treering.kernel.refusal import Refused
from treering.specs.references import Reference
from treering.views.tracking.logged_models import logged_model
from treering.views.tracking.registry_rows import VersionRow, in_stage, latest_number, registered_state, version
from treering_services.gateway.core import Gateway
from treering_services.gateway.mlflow.source_files import tree_at
from treering_services.gateway.model_origins import Origin, Wanted, empty, of_source

LATEST = "latest"
STAGES = ("Staging", "Production", "Archived", "None")  # of MLflow, where a version may be named by its stage


async def of_version(gateway: Gateway, workspace: str, reference: Reference) -> Origin:
    """``azureml:NAME:VERSION``: what it was made by is what a copy of it was made by.

    Raises ``Refused``: ``model.absent``, ``model.path`` when its files are not here.
    """
    row = await referenced(gateway, workspace, reference)
    path, source = f"azureml:{row.name}:{row.version}", row.storage or row.source
    if row.digest:
        tree = await read_manifest(gateway.blobs, row.digest)
        return Origin(source, tree.files, row.digest, row.run_id, row.model_id, path)
    tree = await tree_at(gateway, workspace, source)
    if not tree.files:
        raise Refused("model.path", f"model {row.name}:{row.version} has no files here: it is made of {row.source!r}")
    return Origin(source, tree.files, "", row.run_id, row.model_id, path, folders=tree.folders)


async def of_logged_model(gateway: Gateway, workspace: str, reference: Reference, wanted: Wanted) -> Origin:
    """``models:/NAME/VERSION``, ``models:/NAME@ALIAS``, ``models:/NAME/latest``, or a logged model by its id."""
    if reference.version or reference.label:
        return await of_version(gateway, workspace, reference)
    await gateway.tracking.commits.reached(await gateway.log.head())
    row = await gateway.tracking.peek(lambda db: logged_model(db, workspace, reference.name))
    if row is None:
        detail = f"there is no logged model {reference.name!r}; a registered one is models:/NAME/VERSION or NAME@ALIAS"
        raise Refused("logged_model.absent", detail)
    found = await of_source(gateway, workspace, row.spec.artifact_uri, row.spec.source_run_id)
    if found is None:
        raise empty(wanted, f"logged model {reference.name!r}", "nothing was logged to it")
    return found._replace(model_id=reference.name, path=reference.text)


async def referenced(gateway: Gateway, workspace: str, reference: Reference) -> VersionRow:
    """The version a reference means now; ``Refused("model.absent")``."""
    await gateway.tracking.commits.reached(await gateway.log.head())
    number = await number_of(gateway, workspace, reference)
    row = await gateway.tracking.peek(lambda db: version(db, workspace, reference.name, number))
    if row is None:
        raise Refused("model.absent", f"there is no model {reference.text[:200]!r} in workspace {workspace!r}")
    return row


async def number_of(gateway: Gateway, workspace: str, reference: Reference) -> int:
    """0 when there is none."""
    text = reference.version
    if text.isascii() and text.isdecimal():
        return int(text) if len(text) < 20 else 0
    stage = next((one for one in STAGES if one.lower() == text.lower()), "")
    if stage and reference.form == "mlflow_model":
        found = await gateway.tracking.peek(lambda db: in_stage(db, workspace, reference.name, stage))
        return max((row.version for row in found), default=0)
    label = reference.label or (LATEST if text.lower() in ("", LATEST) else text)  # a version that is no number
    return await labelled(gateway, workspace, registered_model_key(reference.name), label)


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
