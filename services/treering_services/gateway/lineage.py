"""What a model version was made by and of: its run, its job, and the job's code, data and environment."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from msgspec import Struct
from starlette.responses import Response

from treering.domain.job import JOB, Job
from treering.domain.job_spec import EnvironmentSpec, InputSpec, JobSpec
from treering.domain.model import MODEL, ModelSpec, ModelState
from treering.domain.run import RUN
from treering.kernel.subjects import Address
from treering.views.input_makers import maker_of
from treering.views.states import Resource
from treering.views.tracking.registry_rows import PARENT
from treering.views.tracking.run_reads import RunRow, run, run_head
from treering_services.gateway.call import Call, reply
from treering_services.gateway.core import checked_address
from treering_services.gateway.made_by_run import is_nested, run_of_version

DEPTH_MAX = 16
BY_JOB = "job:"


class Code(Struct, frozen=True, omit_defaults=True):
    """``digest`` is of the tree of the source folder; ``git`` says which commit it was."""

    path: str = ""
    digest: str = ""
    git: dict[str, str] = {}


class Data(Struct, frozen=True, omit_defaults=True):
    """One input: ``name`` as the job or the script calls it, ``digest`` of what was read, ``of`` whose work it is, as
    KIND/NAME."""

    name: str
    path: str = ""
    digest: str = ""
    by: str = "job"  # who said so: the job's inputs, or the script ("run")
    of: str = ""


class RunOf(Struct, frozen=True, omit_defaults=True):
    run_id: str
    name: str = ""
    status: str = ""
    experiment_id: str = ""
    parents: list[str] = []  # the runs of the same maker that it is nested in, the innermost first
    said_by: str = ""  # nothing that is kept here shows that this run made the model: this is who said so


class JobOf(Struct, frozen=True, omit_defaults=True):
    name: str
    status: str
    command: str
    submitted_by: str
    submitted_at: str
    attempt: int = 0
    compute: str = ""


class Lineage(Struct, frozen=True, omit_defaults=True):
    """What is not known is left out: a model brought from outside has no run, a run outside of jobs no job. A run that
    somebody only named stands there with who said so, and without a job, code or data."""

    model: str
    source: str
    created_by: str
    created_at: str
    digest: str = ""
    logged_model: str = ""
    run: RunOf | None = None
    job: JobOf | None = None
    code: Code | None = None
    environment: EnvironmentSpec | None = None
    data: list[Data] = []


async def model_lineage(call: Call) -> Response:
    found = await call.gateway.get(checked_address(call.workspace, MODEL.kind, call.params["key"]))
    state: ModelState = MODEL.states.decode(found.state)
    return reply(await lineage(call, found, state))


async def lineage(call: Call, found: Resource, state: ModelState) -> Lineage:
    spec = state.spec or ModelSpec("", 0, "")
    source = spec.path or spec.source
    head = Lineage(found.name, source, found.created_by, found.created_at, spec.digest, spec.model_id)
    claim = await run_of_version(call.gateway, call.workspace, spec, found.created_by)
    if claim is None:
        return head
    run_id = claim.run_id
    if claim.said_by:
        return msgspec.structs.replace(head, run=RunOf(run_id, said_by=claim.said_by))
    chain = await runs_up(call, run_id)
    made_by = chain[0] if chain else None
    known = await job_of(call, [run_id, *(one.info.run_id for one in chain)])
    return msgspec.structs.replace(
        head,
        run=described(run_id, made_by, chain[1:]),
        data=[*(of_job(known[1]) if known else []), *(of_run(made_by) if made_by else [])],
        **(parts_of(*known) if known else {}),
    )


async def runs_up(call: Call, run_id: str) -> list[RunRow]:
    """The run, and those it is nested in; a chain that bites its own tail ends."""
    workspace, found = call.workspace, list[RunRow]()
    while run_id and len(found) < DEPTH_MAX:
        row = await call.gateway.tracking.peek(partial(run, workspace=workspace, run_id=run_id))
        if row is None or any(one.info.run_id == run_id for one in found):
            break
        found.append(row)
        parent = next((tag.value for tag in row.data.tags if tag.key == PARENT), "")
        run_id = parent if parent and await is_nested(call.gateway, workspace, run_id, parent) else ""
    return found


def described(run_id: str, row: RunRow | None, parents: list[RunRow]) -> RunOf:
    if row is None:
        return RunOf(run_id)
    above = [one.info.run_id for one in parents]
    return RunOf(run_id, row.info.run_name, row.info.status, row.info.experiment_id, above)


async def job_of(call: Call, run_ids: list[str]) -> tuple[Resource, Job] | None:
    """The job whose run one of these is, or whose script made one of them."""
    workspace = call.workspace
    for run_id in run_ids:
        head = await call.gateway.tracking.peek(partial(run_head, workspace=workspace, run_id=run_id))
        makers = [run_id] + (
            [head.created_by.removeprefix(BY_JOB)] if head and head.created_by.startswith(BY_JOB) else []
        )
        for name in makers:
            found = await call.gateway.find(Address(workspace, JOB.kind, name))
            if found is not None:
                return found, JOB.states.decode(found.state)
    return None


def parts_of(found: Resource, job: Job) -> dict[str, Any]:
    spec = job.spec
    if spec is None:
        return {}
    described = JobOf(
        found.name, found.status, spec.command, found.created_by, found.created_at, job.attempt, spec.compute
    )
    code = Code(spec.code_path, spec.code, spec.git) if spec.code or spec.git else None
    return {"job": described, "code": code, "environment": spec.environment}


def of_job(job: Job) -> list[Data]:
    spec: JobSpec | None = job.spec
    inputs = spec.inputs.items() if spec else ()
    return [Data(name, given.path, given.digest, of=maker_name(given)) for name, given in inputs if given.value is None]


def maker_name(given: InputSpec) -> str:
    maker = maker_of(given.path) if given.digest else None
    return "/".join(maker) if maker else ""


def of_run(row: RunRow) -> list[Data]:
    sets = [one.dataset for one in row.inputs.dataset_inputs]
    return [Data(one.name, one.source[:1000], one.digest, by=RUN.kind) for one in sets]
