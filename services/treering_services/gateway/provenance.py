"""Whether what a job's command names as its maker or its parts is there, and its own.

A command may say which run something was made by, which run is nested in which, and which logged models a run used or
made. A job's own token names only what exists and what the job made. What a job uses may be anybody's: using is no
claim to have made it. People may name anything, as MLflow lets them (a model was made elsewhere, a run lives on
another server); ``lineage.py`` then says who said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from treering.domain.job_messages import SubmitJob, UpdateJob
from treering.domain.logged_model import LOGGED_MODEL, CreateLoggedModel
from treering.domain.model import CreateModel
from treering.domain.run_messages import CreateRun, LogRunInputs, LogRunOutputs, LogToRun
from treering.kernel.aggregate import Command
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.tracking.registry_rows import PARENT
from treering.views.tracking.run_reads import RunHead, run_head
from treering_services.gateway.call import Call
from treering_services.gateway.ownership import HINT, made_by, written


class Named(NamedTuple):
    """Ids of runs and logged models: ``runs`` and ``made`` are said to have made something or to have been made,
    ``used`` only to have been used."""

    runs: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


def named(command: Command) -> Named:
    """What a command names."""
    match command:
        case SubmitJob():
            return Named(parents(command.spec.tags))
        case CreateRun():
            return Named(parents(command.tags))
        case LogToRun() | UpdateJob():
            return Named(parents(command.tags or {}))
        case LogRunInputs():
            return Named(used=tuple(command.models))
        case LogRunOutputs():
            return Named(made=tuple(one.model_id for one in command.models))
        case CreateLoggedModel():
            return Named(some(command.spec.source_run_id))
        case CreateModel():
            return Named(some(command.spec.run_id), used=some(command.spec.model_id))
        case _:
            return Named()


def parents(tags: Mapping[str, str]) -> tuple[str, ...]:
    return some(tags.get(PARENT, ""))


def some(id: str) -> tuple[str, ...]:
    return (id,) if id else ()


async def check_named(call: Call, workspace: str, command: Command, *, shown: str = "") -> None:
    """``Refused``: ``run.absent``, ``logged_model.absent``, ``auth.forbidden``. ``shown`` is the run that the files lie
    with, or that their source names already: whoever says it adds nothing."""
    if not call.caller.is_bounded:
        return
    said = named(command)
    for run_id in dict.fromkeys(said.runs):
        if run_id == shown:
            continue
        head = await known_run(call, workspace, run_id)
        if run_id != call.caller.name and head.created_by != call.caller.actor:
            raise not_named(call, f"run {run_id!r}")
    for model_id in dict.fromkeys(said.made + said.used):
        await require_model(call, Address(workspace, LOGGED_MODEL.kind, model_id), made=model_id in said.made)


async def known_run(call: Call, workspace: str, run_id: str) -> RunHead:
    """A run, whatever its state. What the view does not have is looked for once more at the head of the log."""
    tracking, query = call.gateway.tracking, partial(run_head, workspace=workspace, run_id=run_id)
    await tracking.fresh_commits()
    found = await tracking.view.peek(query)
    if found is None:
        await tracking.commits.reached(await call.gateway.log.head())
        found = await tracking.view.peek(query)
    if found is None:
        raise Refused("run.absent", f"Run with id={run_id} not found")
    return found


async def require_model(call: Call, address: Address, *, made: bool) -> None:
    found = await call.gateway.find(address, after=written(call))
    if found is None:
        raise Refused("logged_model.absent", f"Logged model with ID '{address.key[:100]}' not found.")
    if made and not made_by(call, found, address):
        raise not_named(call, f"logged model {address.key!r}")


def not_named(call: Call, what: str) -> Refused:
    why = f"job {call.caller.name!r} did not make {what}, so it may not say that it made or holds something"
    return Refused("auth.forbidden", f"{why}; {HINT}")
