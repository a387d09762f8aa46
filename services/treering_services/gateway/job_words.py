"""Masks the secret variables of a job in what its script says to the gateway: parameters, tags, descriptions, events.

The executor masks what comes by way of the console; what a script logs with MLflow comes here.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

from treering.adapters.masking import Masker
from treering.adapters.scrubbing import without_tokens
from treering.adapters.sealed_values import SealedValues
from treering.domain.job import JOB
from treering.kernel.command import Context
from treering.kernel.log import encoder
from treering.kernel.refusal import Refused
from treering.kernel.secret_names import is_secret_variable
from treering.kernel.subjects import Address
from treering.specs.secret_variables import is_certain
from treering_services.gateway.scrubbing import AT_ONCE_BYTES_MAX, changed

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway

T = TypeVar("T")
ACTOR = "job:"
KNOWN_MAX = 1000
TOKEN_START = b"trj."  # each job has a token, which scripts log with all of their environment


class JobWords:
    """``known``: the maskers of jobs that said something, the one that was used last at the end."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.known: OrderedDict[Address, Masker] = OrderedDict()

    async def masked(self, workspace: str, command: T, context: Context) -> T:
        """The command without the secrets and tokens of the job that sends it; the same object when there are none."""
        name = context.via or (context.actor.removeprefix(ACTOR) if context.actor.startswith(ACTOR) else "")
        if not name:
            return command
        masker = await self.masker_of(Address(workspace, JOB.kind, name))
        said = encoder.encode(command)
        if TOKEN_START in said:
            command = changed(command, without_tokens)
        if not masker.knows_something:
            return command
        if len(said) <= AT_ONCE_BYTES_MAX:
            return masked_if_said(command, said, masker)
        return await asyncio.to_thread(masked_if_said, command, said, masker)

    async def masker_of(self, job: Address) -> Masker:
        masker = self.known.pop(job, None)
        if masker is None:
            try:
                masker = Masker(await self.secrets_of(job))
            except Refused:  # asked again next time: what the view cannot show now it may show then
                return Masker()
        self.known[job] = masker
        if len(self.known) > KNOWN_MAX:
            self.known.popitem(last=False)
        return masker

    async def secrets_of(self, job: Address) -> list[str]:
        """The values that must stand nowhere else; none of a job that has ended."""
        found = await self.gateway.find(job)
        spec = JOB.states.decode(found.state).spec if found else None
        if spec is None or spec.sealed is None:
            return []
        values = await asyncio.to_thread(SealedValues(self.gateway.home).open, job, spec.sealed)
        declared = [name for name, value in values.items() if not is_secret_variable(name, value)]
        return [value for name, value in values.items() if is_certain(name, value, declared)]


def masked_if_said(command: T, said: bytes, masker: Masker) -> T:
    """``said`` is the command as JSON: whether a secret is in it is asked of the whole at once."""
    return command if masker.data(said) == said else changed(command, masker.text)
