"""Keep the secret variables of jobs and environments out of the log: they are sealed before anything is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from msgspec.structs import replace

from treering.adapters.sealed_values import SealedValues
from treering.domain.environment import CreateEnvironment
from treering.domain.job_spec import NOTES_MAX, EnvironmentSpec, JobSpec
from treering.domain.sealed import Sealed
from treering.kernel.command import Written
from treering.kernel.refusal import Refused
from treering.kernel.secret_parts import CHARACTERS_MIN, is_maskable
from treering.kernel.subjects import Address
from treering.specs.secret_variables import split_environment, split_job
from treering.specs.submitted import check_environment
from treering_services.gateway.call import Call
from treering_services.gateway.core import Gateway


async def seal_job(gateway: Gateway, job: Address, spec: JobSpec, declared: Collection[str]) -> JobSpec:
    """The spec without the values of its secret variables: its own, and those of its environment that it does not set
    itself. ``declared`` are secret whatever their names are; ``Refused("job.secret_in_text")``."""
    split = split_job(spec, declared)
    sealed = await asyncio.to_thread(values(gateway).seal, job, split.hidden)
    return replace(split.spec, sealed=sealed, notes=(*spec.notes, *not_masked(split.hidden))[:NOTES_MAX])


def not_masked(secrets: Mapping[str, str]) -> list[str]:
    """What a job is told of secret values that its log will show."""
    why = f"its value is secret and shorter than {CHARACTERS_MIN} characters, so it is not masked in the log"
    return [f"environment variable {name}: {why}" for name in sorted(secrets) if not is_maskable(secrets[name])]


async def create_environment(
    call: Call, address: Address, command: CreateEnvironment, command_id: str, declared: Collection[str] = ()
) -> Written:
    """Carry out ``command`` without the values of its secret variables, which are sealed."""
    spec, gateway, context = command.spec, call.gateway, call.context(command_id)
    check_environment(spec)
    refuse_sealed(spec.sealed)
    check_declared(declared, spec.variables)
    split = split_environment(spec, declared)
    sealed = await asyncio.to_thread(values(gateway).seal, address, split.hidden)
    plain = replace(command, spec=replace(split.spec, sealed=sealed))
    written = await sent(gateway, sealed, lambda: gateway.commands.send(address, plain, context))
    if written.changed and written.version > 1:  # it was there, and only its description or tags were changed
        await asyncio.to_thread(values(gateway).remove, sealed)
    return written


async def opened(gateway: Gateway, environment: Address, spec: EnvironmentSpec) -> EnvironmentSpec:
    """The spec of a registered environment with the values of its secret variables, for a job that uses it."""
    found = await asyncio.to_thread(values(gateway).open, environment, spec.sealed) if spec.sealed else {}
    return replace(spec, variables={**spec.variables, **found}, sealed=None)


async def sent(gateway: Gateway, sealed: Sealed | None, send: Callable[[], Awaitable[Written]]) -> Written:
    """What ``send`` writes. When that is nothing, the values that were sealed for it are removed again; where nobody
    answers they stay, because it may have been written."""
    try:
        written = await send()
    except Refused:
        await asyncio.to_thread(values(gateway).remove, sealed)
        raise
    if not written.changed:
        await asyncio.to_thread(values(gateway).remove, sealed)
    return written


def values(gateway: Gateway) -> SealedValues:
    return SealedValues(gateway.home)


def check_declared(declared: Collection[str], variables: Mapping[str, str]) -> None:
    for name in declared:
        if name not in variables:
            why = f"secret_variables has {name[:80]!r}, and there is no environment variable of this name"
            how = f"set it among environment_variables, give it with --secret {name[:80]}, or leave it out"
            raise Refused("job.secret_variable", f"{why}; {how}")


def check_public(public: Collection[str], declared: Collection[str], variables: Mapping[str, str]) -> None:
    for name in public:
        if name in declared or name not in variables:
            what = (
                "secret_variables has it too" if name in declared else "there is no environment variable of this name"
            )
            raise Refused("job.public_variable", f"public_variables has {name[:80]!r}, and {what}; leave it out there")


def refuse_sealed(sealed: Sealed | None) -> None:
    """``Refused("secret.forbidden")``: what is sealed is for the gateway to say."""
    if sealed is not None:
        why = "sealed is for the gateway to write"
        raise Refused("secret.forbidden", f"{why}: leave it out, and send the values as variables")
