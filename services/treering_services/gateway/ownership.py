"""Whether a job made what it wants to change.

A job's own are its run and what its script made: runs, experiments, logged models, registered models and their
versions. Who made a resource is in the log, as the actor of its first event (``job:<name>``), so the answer is a look
at a view and never changes. A job that has its submitter's rights is not asked.
"""

from __future__ import annotations

from treering.adapters.sqlite_view import Database
from treering.domain.experiment import EXPERIMENT
from treering.domain.model import MODEL
from treering.domain.registered_model import REGISTERED_MODEL
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.states import Resource, made_by_another
from treering.views.tracking.experiments import DEFAULT
from treering.views.tracking.registry_rows import VersionRow
from treering.views.tracking.run_reads import run_by_another
from treering_services.gateway.call import Call

HINT = "a job submitted with identity: {type: user_identity} has its submitter's rights here"
WORDS = {EXPERIMENT.kind: "experiment", REGISTERED_MODEL.kind: "registered model", MODEL.kind: "model version"}


async def owns(call: Call, address: Address) -> bool:
    """Whether the caller may change this resource. What is not there is nobody's own."""
    return not call.caller.is_bounded or made_by(call, await call.gateway.find(address, after=written(call)), address)


async def must_own(call: Call, address: Address, absent: Exception | None = None) -> None:
    """Let the caller's commands on this resource pass; ``Refused("auth.forbidden")`` when it did not make it, and
    ``absent``, if there is one, when it does not exist."""
    if call.caller.is_bounded:
        found = await call.gateway.find(address, after=written(call))
        if found is None and absent is not None:
            raise absent
        if not made_by(call, found, address):
            raise not_own(call, f"{WORDS.get(address.kind, address.kind.replace('_', ' '))} {address.key!r}")
    call.may_write = True


def written(call: Call) -> int:
    """The position of what this gateway wrote last: a script changes what it made a moment ago."""
    return call.gateway.tracking.commits_written


def made_by(call: Call, found: Resource | None, address: Address) -> bool:
    """Whether the caller's job made what was found at ``address``."""
    if address.kind == EXPERIMENT.kind and address.key == DEFAULT[1]:
        return False  # everybody's, whoever needed it first
    return found is not None and found.created_by == call.caller.actor


def may_change_run(call: Call, run_id: str, created_by: str) -> None:
    """The same for a run whose row was read already: nothing more is asked for a metric point."""
    caller = call.caller
    if caller.is_bounded and run_id != caller.name and created_by != caller.actor:
        raise not_own(call, f"run {run_id!r}")
    call.may_write = True


def not_own(call: Call, what: str) -> Refused:
    return Refused("auth.forbidden", f"job {call.caller.name!r} did not make {what}, so it may not change it; {HINT}")


async def must_own_experiment_with_runs(call: Call, workspace: str, key: str) -> None:
    """Before an experiment is deleted or restored, which does the same to its runs."""
    await must_own(call, Address(workspace, EXPERIMENT.kind, key))
    if not call.caller.is_bounded:
        return
    name, actor = call.caller.name, call.caller.actor
    other = await call.gateway.tracking.peek(lambda db: run_by_another(db, workspace, key, name, actor))
    if other:
        raise not_own(call, f"run {other!r} of experiment {key!r}")


async def must_own_model_with_versions(call: Call, workspace: str, key: str) -> None:
    """Before a registered model is renamed or deleted, which does the same to its versions."""
    await must_own(call, Address(workspace, REGISTERED_MODEL.kind, key))
    if not call.caller.is_bounded:
        return
    actor = call.caller.actor

    def other_version(db: Database) -> str:
        return made_by_another(db, Address(workspace, MODEL.kind, f"{key}:"), actor)

    other = await call.gateway.reader.view.peek(other_version)
    if other:
        raise not_own(call, f"model version {other!r}")


async def must_own_version_for_good(call: Call, workspace: str, row: VersionRow, aliases: dict[str, int]) -> None:
    """Before a version is deleted, with the aliases that point at it: those belong to the registered model."""
    await must_own(call, Address(workspace, MODEL.kind, row.key))
    pointing = sorted(alias for alias, version in aliases.items() if version == row.version)
    model = Address(workspace, REGISTERED_MODEL.kind, row.key.rpartition(":")[0])
    if pointing and not await owns(call, model):
        raise not_own(call, f"registered model {row.name!r}, whose alias {pointing[0]!r} points at this version")
