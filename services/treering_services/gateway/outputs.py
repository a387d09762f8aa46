"""Registers the named outputs of jobs as models when the jobs have completed, as Azure ML does.

It is done exactly once, whatever dies and however many gateways do it: the number is taken on the model, written down
on the job (the first one there holds), and only then used by the version. What is left to do is in the tracking view,
so whoever comes next finds it; each step said again changes nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import msgspec
import structlog

from treering.domain.job import JOB, Job
from treering.domain.job_messages import RefuseOutput, RegisterOutput
from treering.domain.job_spec import OutputSpec
from treering.domain.model import MODEL, CreateModel, ModelSpec, ModelType
from treering.domain.registered_model import registered_model_key
from treering.kernel.clock import now
from treering.kernel.command import Context, Written
from treering.kernel.log import Conflict, LogUnavailable
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.specs.model_versions import written_version
from treering.views.tracking.named_outputs import DueOutput, due_outputs
from treering_services.gateway.core import Gateway
from treering_services.gateway.model_flavors import flavors
from treering_services.gateway.model_origins import Origin, Wanted
from treering_services.gateway.pinning import pin
from treering_services.gateway.problem import SERVER_ERROR, status_of
from treering_services.gateway.references import resolve
from treering_services.gateway.registrar import Registrar, ensure_registered

AT_ONCE_MAX = 32
RETRY_SECONDS = 1.0
log = structlog.get_logger()


@dataclass
class Reaction:
    """What is done because of a commit, in the place of a request: the same one has the same command ids."""

    gateway: Gateway
    id: str
    actor: str
    cause: str
    trace: str

    def command_id(self) -> str:
        return self.id

    def context(self, command_id: str = "", *, cause: str = "", trace: str = "") -> Context:
        return Context(command_id or self.id, now(), self.actor, self.cause, trace or self.trace)


INCOMPLETE = ("view.incomplete", "resource.incomplete")  # trying again changes nothing


class OutputRegistrar:
    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.given_up: set[DueOutput] = set()  # on which we failed ourselves; the next start tries again

    async def run(self) -> None:
        """Register what is due, and what comes to be, until cancelled."""
        commits = self.gateway.tracking.commits
        while True:
            moved = commits.moved
            found = await self.gateway.tracking.view.when_sound(
                partial(due_outputs, limit=AT_ONCE_MAX + len(self.given_up)), by_key=True
            )
            due = [one for one in found if one not in self.given_up]
            done = [await self.attempt(one) for one in due]
            if not all(done):
                await asyncio.sleep(RETRY_SECONDS)
            elif not due:
                await moved.wait()

    async def attempt(self, due: DueOutput) -> bool:
        """Register one output, or write down why not; False when it is to be tried again."""
        try:
            written = await self.register(due)
        except (LogUnavailable, Conflict) as error:
            log.warning("output.unanswered", job=due.job, output=due.output, why=str(error))
            return False
        except Refused as refused:  # nothing about the output: the service is busy, say
            log.warning("output.refused", job=due.job, output=due.output, code=refused.code, why=refused.detail)
            if refused.code not in INCOMPLETE:
                return False
            self.given_up.add(due)
            return True
        except Exception:
            log.exception("output.failed", job=due.job, output=due.output)
            self.given_up.add(due)
            return True
        await self.gateway.tracking.commits.reached(written.position)
        return True

    async def register(self, due: DueOutput) -> Written:
        id = f"output:{due.workspace}/{due.job}:{due.output}"
        registrar = Registrar(Reaction(self.gateway, id, f"job:{due.job}", due.cause, due.trace), due.workspace)
        try:
            return await self.created(registrar, due)
        except Refused as refused:
            if status_of(refused.code) >= SERVER_ERROR:
                raise
            command = RefuseOutput(due.output, refused.code, refused.detail)
            return await registrar.say(JOB.kind, due.job, command, "refused")

    async def created(self, registrar: Registrar, due: DueOutput) -> Written:
        """Take a number, write it down on the job, make the version."""
        job = await self.job_of(due, after=self.gateway.tracking.commits.position)
        output = output_of(job, due)
        path = f"azureml://jobs/{due.job}/outputs/{due.output}"
        origin = await resolve(self.gateway, due.workspace, path, Wanted())
        spec = await spec_of(self.gateway, output, path, origin)
        if due.output not in job.registered:
            await ensure_registered(registrar, spec.name)
            job = await self.numbered(registrar, due, spec)
        number = job.registered[due.output].version
        key = f"{registered_model_key(spec.name)}:{number}"
        if spec.label:
            await registrar.label(spec, number)
        generation = await registrar.generation(registered_model_key(spec.name))
        command = CreateModel(msgspec.structs.replace(spec, version=number, generation=generation))
        return await registrar.say(MODEL.kind, key, command, "version")

    async def numbered(self, registrar: Registrar, due: DueOutput, spec: ModelSpec) -> Job:
        """The job, with the number it is to be registered under: ours, or that of whoever was first."""
        key = registered_model_key(spec.name)
        there = await registrar.version_state(f"{key}:{spec.version}") if spec.version else None
        if there is not None and there.state.spec.generation == await registrar.generation(key):
            raise Refused("model.exists", f"version {spec.version} of {spec.name!r} exists already and never changes")
        if number := await registrar.labelled(key, spec.label):
            why = f"version {spec.label!r} of {key!r} exists already: it is number {number}"
            raise Refused("model.exists", why)
        number = await registrar.take_number(key, spec)
        command = RegisterOutput(due.output, spec.name, number)
        written = await registrar.say(JOB.kind, due.job, command, "numbered")
        return await self.job_of(due, after=written.position)

    async def job_of(self, due: DueOutput, after: int) -> Job:
        found = await self.gateway.get(Address(due.workspace, JOB.kind, due.job), after=after)
        return JOB.states.decode(found.state)


def output_of(job: Job, due: DueOutput) -> OutputSpec:
    assert job.spec is not None  # it was submitted
    return job.spec.outputs[due.output]


async def spec_of(gateway: Gateway, output: OutputSpec, path: str, origin: Origin) -> ModelSpec:
    type: ModelType = output.type  # type: ignore[assignment]  # only outputs of these types are due
    known_as = await flavors(gateway, type, origin.files)
    held = await pin(gateway, origin)
    version = written_version(output.version)
    return ModelSpec(
        output.name, version.number, origin.source, held.storage, type, held.digest, origin.run_id,
        path=path, flavors=known_as, label=version.label, unpinned=held.unpinned,
    )  # fmt: skip
