"""What changes a registered model together with its versions: several commands that belong to one request.

Each step is safe to say again, and they are ordered so that a request broken off in the middle can be repeated: a
number that was taken and not used stays unused, a model that was deleted takes its versions along the next time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Protocol

import msgspec

from treering.domain.model import MODEL, CreateModel, DeleteModel, ModelSpec, RestoreModel, UndeleteModel
from treering.domain.registered_model import REGISTERED_MODEL, registered_model_key
from treering.domain.registered_model_messages import (
    AddVersion,
    AssignAlias,
    CreateRegisteredModel,
    DeleteRegisteredModel,
    RemoveVersion,
    RestoreRegisteredModel,
    ReturnVersion,
    UndeleteRegisteredModel,
)
from treering.kernel.aggregate import Command
from treering.kernel.clock import now
from treering.kernel.command import Context, Written
from treering.kernel.ending import run_each
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.tracking.registry import Folded, load, model_key
from treering.views.tracking.registry_rows import made_by, registered_model, registered_state, states_of
from treering_services.gateway.core import Gateway

ATTEMPTS_MAX = 64
AT_ONCE_MAX = 32


class Asked(Protocol):
    """A request, or what stands in its place."""

    gateway: Gateway

    def command_id(self) -> str: ...

    def context(self, command_id: str = "", *, cause: str = "", trace: str = "") -> Context: ...


class Registrar:
    """Of one request. What it writes, the next read of this gateway sees. ``at_once``: all of it has one time, as in
    MLflow, whose clients see by it what changed together."""

    def __init__(self, call: Asked, workspace: str, *, at_once: bool = False) -> None:
        self.call = call
        self.at = now() if at_once else None
        self.tracking = call.gateway.tracking
        self.workspace = workspace
        self.command_id = call.command_id()

    async def say(self, kind: str, key: str, command: Command, step: str = "") -> Written:
        """Carry out one command; ``step`` tells apart those of one request on one resource."""
        id, cause = (f"{self.command_id}:{step}", self.command_id) if step else (self.command_id, "")
        context = self.call.context(id, cause=cause)
        if self.at is not None:
            context = msgspec.structs.replace(context, at=self.at)
        return await self.call.gateway.commands.send(Address(self.workspace, kind, key), command, context)

    async def create(
        self, name: str, description: str = "", tags: dict[str, str] | None = None, step: str = ""
    ) -> Written:
        """A registered model without versions; ``Refused("registered_model.exists")``."""
        key = registered_model_key(name)
        known = await self.state(key)
        if known is not None and known.state.status == "deleted":
            await self.delete_versions(key)  # what a deletion that was broken off has left
        command = CreateRegisteredModel(name, description, tags or {}, self.command_id)
        return await self.say(REGISTERED_MODEL.kind, key, command, step)

    async def add(self, spec: ModelSpec, description: str | None, tags: dict[str, str]) -> tuple[int, Written]:
        """A version of ``spec.name``; when its number is 0 it gets the next one. The number, and what was written.

        Raises ``Refused``: ``registered_model.absent``, ``model.exists``, ``model.version``.
        """
        key = registered_model_key(spec.name)
        step = f"{self.command_id}:version"
        again = await self.tracking.peek(lambda db: made_by(db, self.workspace, MODEL.kind, step))
        if again:
            number = again.state.spec.version
        else:
            number = await self.labelled(key, spec.label) or await self.take_number(key, spec)
        generation = again.state.spec.generation if again else await self.generation(key)
        command = CreateModel(msgspec.structs.replace(spec, version=number, generation=generation), description, tags)
        return number, await self.say(MODEL.kind, f"{key}:{number}", command, "version")

    async def generation(self, key: str) -> int:
        """Which of the models that had the name is the one now."""
        known = await self.state(key)
        return known.state.holding.generation if known else 1

    async def take_number(self, key: str, spec: ModelSpec) -> int:
        """Others may take the next number first; then it is the one after."""
        number = spec.version
        for _ in range(ATTEMPTS_MAX):
            if not spec.version:
                row = await self.tracking.peek(lambda db: registered_model(db, self.workspace, spec.name))
                number = max(number + 1, row.version_last + 1 if row else 1)
            command = AddVersion(number, next=not spec.version, request=self.command_id)
            try:
                await self.say(REGISTERED_MODEL.kind, key, command, f"number {number}")
            except Refused as refused:
                if refused.code != "registered_model.version_taken":
                    raise
                continue
            return number
        raise Refused("service.busy", f"others took the next version of {spec.name!r} each time; try again")

    async def labelled(self, key: str, label: str) -> int:
        """The number of the version that is known by a word; 0 when none is."""
        known = await self.state(key) if label else None
        return known.state.holding.aliases.get(label, 0) if known and known.state.status == "active" else 0

    async def label(self, spec: ModelSpec, number: int) -> Written:
        """The version is also known by the word that its creator wrote."""
        key = registered_model_key(spec.name)
        return await self.say(REGISTERED_MODEL.kind, key, AssignAlias(spec.label, number), "label")

    async def delete(self, key: str) -> Written:
        """A registered model and all its versions."""
        written = await self.say(REGISTERED_MODEL.kind, key, DeleteRegisteredModel())
        await self.delete_versions(key)
        return written

    async def delete_versions(self, key: str) -> None:
        delete = DeleteModel(with_registered_model=True)
        await together(
            self.say(MODEL.kind, version, delete, "deleted")
            for version, known in (await self.states(key)).items()
            if known.state.status == "active"
        )

    async def restore(self, key: str) -> Written:
        """A registered model that was deleted, with the versions that were deleted with it, each as it was then, and
        the aliases that are free; or one that was archived."""
        before = await self.state(key)
        deleted = before is not None and before.state.status == "deleted"
        command = UndeleteRegisteredModel() if deleted else RestoreRegisteredModel()
        written = await self.say(REGISTERED_MODEL.kind, key, command)
        generation = await self.generation(key)
        gone = [
            (version, known.state.spec.version)
            for version, known in (await self.states(key)).items()
            if known.state.status == "deleted"
            and known.state.with_registered_model
            and known.state.spec.generation == generation
        ]
        now = await self.state(key)
        lapsed = set(now.state.holding.lapsed.values()) if now else set[int]()
        for number in sorted(number for _, number in gone if number in lapsed):
            written = await self.say(REGISTERED_MODEL.kind, key, ReturnVersion(number), f"returned {number}")
        await together(self.say(MODEL.kind, version, UndeleteModel(), "restored") for version, _ in gone)
        return written

    async def delete_version(self, key: str, number: int) -> Written:
        """A version and the aliases that point at it."""
        await self.say(REGISTERED_MODEL.kind, model_key(key), RemoveVersion(number), "removed")
        return await self.say(MODEL.kind, key, DeleteModel())

    async def restore_version(self, key: str, number: int) -> Written:
        """A version that was deleted, as it was then, with the aliases that nobody has used since; or one that was
        archived."""
        before = await self.version_state(key)
        if before is None or before.state.status != "deleted":
            return await self.say(MODEL.kind, key, RestoreModel())
        if before.state.spec.generation != await self.generation(model_key(key)):
            why = f"{key} was a version of an earlier model of this name, which was deleted or renamed"
            raise Refused("model.earlier", f"{why}; it stays in the record: `treering story model/{key}`")
        await self.say(REGISTERED_MODEL.kind, model_key(key), ReturnVersion(number), "returned")
        return await self.say(MODEL.kind, key, UndeleteModel())

    async def state(self, key: str) -> Folded | None:
        return await self.tracking.peek(lambda db: registered_state(db, self.workspace, key))

    async def version_state(self, key: str) -> Folded | None:
        return await self.tracking.peek(lambda db: load(db, Address(self.workspace, MODEL.kind, key)))

    async def states(self, key: str) -> dict[str, Folded]:
        return await self.tracking.read(lambda db: states_of(db, self.workspace, key))


async def ensure_registered(registrar: Registrar, name: str) -> None:
    known = await registrar.tracking.peek(lambda db: registered_model(db, registrar.workspace, name))
    if known is not None:
        return
    try:
        await registrar.create(name, step="registered")
    except Refused as refused:
        if refused.code != "registered_model.exists":  # somebody was first
            raise


async def together(work: Iterable[Coroutine[Any, Any, Any]]) -> None:
    """Some at a time, so that they share syncs to disk; the first failure is raised when all are done."""
    permits = asyncio.Semaphore(AT_ONCE_MAX)

    async def one(part: Coroutine[Any, Any, Any]) -> None:
        async with permits:
            await part

    await run_each(*(one(part) for part in work))
