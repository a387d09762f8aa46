"""Whether what treering keeps shows that a run made something, or somebody only said so.

A version's run is shown when its files are a tree that treering took from the run's job, lie with what the run logged,
or are those of a logged model that the run's maker made: the job itself, or whoever made the run. The rest is what its
creator said. A run is nested in another when both have one maker, or the other's job made it.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from treering.domain.logged_model import LOGGED_MODEL
from treering.domain.model import ModelSpec
from treering.domain.run import RUN
from treering.kernel.subjects import Address
from treering.views.tracking.registry_rows import VersionRow
from treering.views.tracking.roots import artifact_root
from treering.views.tracking.run_reads import run_head
from treering_services.gateway.core import Gateway
from treering_services.gateway.mlflow.model_sources import is_proxied, is_within
from treering_services.gateway.model_origins import TREES


class Claim(NamedTuple):
    """The run that something names, and who said so; ``said_by`` is "" when it is shown."""

    run_id: str
    said_by: str = ""


async def run_of_version(
    gateway: Gateway, workspace: str, spec: ModelSpec | VersionRow, created_by: str
) -> Claim | None:
    """The run that a version names, or the logged model it was made of; None when neither names one."""
    if not spec.model_id:
        if not spec.run_id:
            return None
        shown = await lies_with(gateway, workspace, spec.storage or spec.source, spec.run_id)
        return Claim(spec.run_id, "" if spec.digest or shown else created_by)
    model = await gateway.find(Address(workspace, LOGGED_MODEL.kind, spec.model_id))
    source_run = model.parent if model else ""
    if model is None or (spec.run_id and spec.run_id != source_run):
        return Claim(spec.run_id, created_by) if spec.run_id else None
    if not source_run:
        return None
    return Claim(source_run, "" if await made(gateway, workspace, model.created_by, source_run) else model.created_by)


async def lies_with(gateway: Gateway, workspace: str, place: str, run_id: str) -> bool:
    """Only treering itself makes a version of a tree that it keeps."""
    if place.startswith(f"{TREES}/"):
        return True
    if f"{place}/".startswith(f"runs:/{run_id}/"):
        return await gateway.tracking.peek(lambda db: run_head(db, workspace, run_id)) is not None
    root = await gateway.tracking.peek(lambda db: artifact_root(db, Address(workspace, RUN.kind, run_id)))
    try:
        parts = urlsplit(place)
    except ValueError:
        return False
    return bool(root) and is_proxied(parts) and is_within(parts, root or "")


async def made(gateway: Gateway, workspace: str, actor: str, run_id: str) -> bool:
    """Whether ``actor`` is the job that a run is of, or made the run."""
    head = await gateway.tracking.peek(lambda db: run_head(db, workspace, run_id))
    return head is not None and actor in (f"job:{run_id}", head.created_by)


async def is_nested(gateway: Gateway, workspace: str, run_id: str, parent: str) -> bool:
    """Whether a run that names ``parent`` is nested in it, and not only says so."""
    head = await gateway.tracking.peek(lambda db: run_head(db, workspace, run_id))
    return head is not None and await made(gateway, workspace, head.created_by, parent)
