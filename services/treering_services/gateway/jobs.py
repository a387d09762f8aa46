"""Submit a job: what only the edge can check is checked here, references are resolved, and one command goes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from starlette.responses import Response

from treering.adapters.package_indexes import check_listed
from treering.domain.experiment import EXPERIMENT
from treering.domain.experiment_messages import CreateExperiment
from treering.domain.job import JOB
from treering.domain.job_messages import SubmitJob
from treering.domain.job_spec import NOTES_MAX, EnvironmentSpec, JobSpec
from treering.domain.run import RUN
from treering.domain.workspace import WORKSPACE
from treering.kernel.bounds import Line
from treering.kernel.decoding import decode
from treering.kernel.new_name import check_new_name
from treering.kernel.refusal import Refused
from treering.kernel.resource_name import ResourceName
from treering.kernel.subjects import Address, checked_name
from treering.specs.images import note_of
from treering.specs.submitted import check_job
from treering.views.states import show
from treering_services.gateway.call import Call, reply, written_headers
from treering_services.gateway.computes import named_target, target_of
from treering_services.gateway.core import Gateway
from treering_services.gateway.environments import SecretNames, resolve_environment
from treering_services.gateway.job_inputs import with_files
from treering_services.gateway.made_names import name_from
from treering_services.gateway.provenance import check_named
from treering_services.gateway.sealing import check_declared, check_public, refuse_sealed, seal_job, sent

SHOWN_MAX = 5


def submitted_spec() -> Any:
    """``JobSpec`` as people send it: the environment and the compute may be references, secret variables are
    among the others and named, and unknown fields are refused."""
    fields: list[Any] = [("secret_variables", SecretNames, ())]
    for field in msgspec.structs.fields(JobSpec):
        if field.name == "sealed":
            continue
        if field.name == "environment":
            fields.append((field.name, EnvironmentSpec | Line))
        elif field.name == "compute":
            fields.append((field.name, Line, field.default))
        elif field.required:
            fields.append((field.name, field.type))
        else:
            default = field.default
            if field.default_factory is not msgspec.NODEFAULT:
                default = msgspec.field(default_factory=field.default_factory)
            fields.append((field.name, field.type, default))
    return msgspec.defstruct("SubmittedSpec", fields, frozen=True, kw_only=True, forbid_unknown_fields=True)


SubmittedSpec = submitted_spec()
# For the description; the handler reads ``NewJob`` first, so that a bad name is refused before a bad spec.
SubmittedJob = msgspec.defstruct("SubmittedJob", [("spec", SubmittedSpec), ("name", ResourceName, "")], frozen=True)


class NewJob(Struct, frozen=True, forbid_unknown_fields=True):
    """Without a name one is made, from the idempotency key if there is one."""

    spec: msgspec.Raw
    name: ResourceName = ""


async def submit_job(call: Call) -> Response:
    new = await call.json(NewJob)
    command_id = call.command_id()
    name = checked_name(new.name) if new.name else name_from(command_id)
    address = Address(call.workspace, JOB.kind, name)
    gateway = call.gateway
    await gateway.require_workspace(address.workspace)
    asked = await resolved(gateway, address.workspace, new.spec)
    spec = await in_network(gateway, address.workspace, asked.spec)
    await require_not_ending(call)
    check_job(spec)
    variables = {**spec.environment.variables, **spec.environment_variables}
    check_declared(asked.secret_variables, variables)
    check_public(spec.public_variables, asked.secret_variables, variables)
    check_listed(spec.environment.indexes, gateway.indexes)
    spec = await on_target(gateway, address.workspace, spec)
    await require_no_run(gateway, address)
    await require_blobs(gateway, spec)
    context, via = call.context(command_id), call.caller.name if call.caller.via else ""
    await check_named(call, address.workspace, SubmitJob(spec, via))
    await ensure_experiment(call, address.workspace, spec.experiment, command_id)
    spec = await seal_job(gateway, address, spec, asked.secret_variables)
    written = await sent(gateway, spec.sealed, lambda: gateway.commands.send(address, SubmitJob(spec, via), context))
    job = await gateway.get(address, after=written.position)
    place = {"location": f"/v1/workspaces/{address.workspace}/jobs/{name}", **written_headers(written.position)}
    return reply(job, 201 if written.changed else 200, place)


async def require_not_ending(call: Call) -> None:
    """A job that is being canceled starts nothing more, so that whoever cancels it and its jobs comes to an end."""
    if not call.caller.via:
        return
    job, seen = Address(call.workspace, JOB.kind, call.caller.name), call.gateway.tracking.commits_written
    found = await call.gateway.find(job, after=seen)  # a cancellation that was answered a moment ago
    if found is not None and found.status == "CancelRequested":
        raise Refused("job.cancel_requested", f"job {call.caller.name!r} is being canceled and submits no more jobs")


class Asked(NamedTuple):
    """``secret_variables``: those whose values are secret whatever their names are."""

    spec: JobSpec
    secret_variables: frozenset[str]


async def resolved(gateway: Gateway, workspace: str, raw: msgspec.Raw) -> Asked:
    """The spec with its environment spelled out, and its inputs as the files that they are now."""
    submitted = decode(bytes(raw), SubmittedSpec)
    fields = {name: getattr(submitted, name) for name in submitted.__struct_fields__}
    declared = set(fields.pop("secret_variables"))
    fields["compute"], of_compute = await named_target(gateway, workspace, submitted.compute)
    notes = [f"compute: {one}" for one in of_compute]
    if isinstance(submitted.environment, str):
        environment = await resolve_environment(gateway, workspace, submitted.environment)
        fields["environment"] = environment.spec
        declared |= environment.secret_variables
        notes += [f"environment: {one}" for one in environment.notes]
    else:
        refuse_sealed(submitted.environment.sealed)
    fields["inputs"], of_inputs = await with_files(gateway, workspace, submitted.inputs)
    of_environment = filter(None, [note_of(fields["environment"].source)])
    fields["notes"] = (*submitted.notes, *of_environment, *notes, *of_inputs)[:NOTES_MAX]
    return Asked(JobSpec(**fields), frozenset(declared))


async def in_network(gateway: Gateway, workspace: str, spec: JobSpec) -> JobSpec:
    """A workspace may require that its jobs reach nothing but the gateway, whatever they ask for."""
    found = await gateway.find(Address(workspace, WORKSPACE.kind, workspace))
    required = found is not None and WORKSPACE.states.decode(found.state).network == "none"
    return msgspec.structs.replace(spec, network="none") if required else spec


async def require_no_run(gateway: Gateway, job: Address) -> None:
    """A job has the run of its name; one that an MLflow client made is that client's, and no job may take it over."""
    run = Address(job.workspace, RUN.kind, job.key)
    await gateway.reader.projector.reached(gateway.tracking.commits_written)  # the run may just have been made
    if await gateway.reader.view.peek(lambda db: show(db, run) is not None and show(db, job) is None):
        detail = f"there is a run {job.key!r}, which a job of this name would take over; choose another name"
        raise Refused("run.exists", detail)


async def on_target(gateway: Gateway, workspace: str, spec: JobSpec) -> JobSpec:
    """The job on the compute target that it names, or that it means by an alias, which it is told."""
    target = await target_of(gateway, workspace, spec.compute)
    notes = (*spec.notes, *([target.note] if target.note else []))[:NOTES_MAX]
    return msgspec.structs.replace(spec, compute=target.name, notes=notes)


async def require_blobs(gateway: Gateway, spec: JobSpec) -> None:
    wanted = list(digests(spec))
    missing = await gateway.blobs.missing(wanted) if wanted else []
    if missing:
        more = f" and {len(missing) - SHOWN_MAX} more" if len(missing) > SHOWN_MAX else ""
        raise Refused("blob.missing", f"upload these before the job: {', '.join(missing[:SHOWN_MAX])}{more}")


def digests(spec: JobSpec) -> Iterator[str]:
    if spec.code:
        yield spec.code
    for input in spec.inputs.values():
        if input.digest:
            yield input.digest


async def ensure_experiment(call: Call, workspace: str, name: str, command_id: str) -> None:
    """An experiment comes to be by its first job. One that is archived takes no new jobs, as it takes no new runs from
    MLflow's clients."""
    address, gateway = Address(workspace, EXPERIMENT.kind, checked_name(name, "experiment")), call.gateway
    await gateway.reader.projector.reached(gateway.tracking.experiments_written)
    found = await gateway.reader.view.peek(lambda db: show(db, address))
    if found is not None and found.status == "archived":
        detail = f"experiment {name!r} is archived and takes no new jobs; restore it, or name another"
        raise Refused("experiment.not_active", detail)
    if found is not None:
        return
    check_new_name(EXPERIMENT.kind, name)
    try:
        await gateway.commands.send(address, CreateExperiment(), call.context(f"{command_id}:experiment"))
    except Refused as refused:
        if refused.code != "experiment.exists":  # somebody described it differently, or was first
            raise
