"""Who may do what, as events: the files that let people and programs in are compared with what the log says of them.

    keys/actors.json, the token       credential/user:<id>
    keys/nats/publisher-<name>.json   credential/publisher:<name>
    keys/subscribers/<name>.json      credential/subscriber:<name>
    witnesses.json                    witness/<name>

The command line changes a file and asks for this at once, in its user's name. What it was not asked for (treering was
down, or somebody changed files by hand) is found at the start, when it is first used, or within a minute.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import structlog
from msgspec import Struct
from starlette.responses import Response

from treering.adapters.names import commitment, new_name, proven_names, read_names, write_names
from treering.adapters.sqlite_view import Database
from treering.domain.credential import CREDENTIAL, Credential, EraseCredentialName, RenameCredential
from treering.domain.witness import WITNESS
from treering.kernel.bounds import Name, rule
from treering.kernel.clock import new_id, now
from treering.kernel.command import Context
from treering.kernel.log import LogUnavailable
from treering.kernel.refusal import Refused
from treering.kernel.subjects import NAME_CHARACTERS_MAX, Address
from treering.views.selection import Selection
from treering.views.states import show, with_status
from treering_services.gateway.access_files import (
    credential_changes,
    granted_by_files,
    stamps,
    user_address,
    witness_changes,
)
from treering_services.gateway.audience import Frame
from treering_services.gateway.call import Call, reply

if TYPE_CHECKING:
    from treering_services.gateway.core import Gateway

SELF = "service:gateway"
WATCH_SECONDS = 15.0
SETTLED_SECONDS = 30.0  # who changes a file by the command line says so himself, a moment later
log = structlog.get_logger()


class RecordRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to say: the files speak."""


class RecordAnswer(Struct, frozen=True):
    """``recorded``: what was not in the log yet, as kind/name; ``position`` shows it, 0 when there was nothing."""

    recorded: list[str]
    position: int = 0


class NameRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """``name`` "" erases it."""

    name: Annotated[Name, rule(maxLength=NAME_CHARACTERS_MAX)] = ""


class Access:
    """One a gateway. It also ends the streams of a subscriber whose credential is revoked, wherever that was said."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.selection = Selection("", CREDENTIAL.kind, "", (), True)
        self.lock = asyncio.Lock()
        self.seen: object = None  # of the files, when they were compared last

    async def record(self, actor: str, *, found: bool) -> RecordAnswer:
        """Put into the log what the files say and it does not; raises Refused or LogUnavailable."""
        async with self.lock:
            seen = await asyncio.to_thread(stamps, self.gateway.home)
            await self.gateway.catch_up()
            wanted = await asyncio.to_thread(
                granted_by_files, self.gateway.home, self.gateway.actor, self.gateway.tokens.owner
            )
            held, kept = await self.gateway.reader.view.peek(in_force)
            changes = [*credential_changes(wanted, held, found), *witness_changes(self.gateway.home, kept, found)]
            position = 0
            for address, command in changes:
                context = Context(new_id(), now(), actor)
                position = (await self.gateway.commands.send(address, command, context)).position
            await self.gateway.reader.projector.reached(position)
            self.seen = seen
        return RecordAnswer([str(address) for address, _ in changes], position)

    async def require(self, address: Address) -> None:
        """Before somebody is let in whose file is there: the log knows of it, or learns it now."""
        if not await self.gateway.reader.view.peek(lambda db: is_granted(db, address)):
            try:
                await self.record(SELF, found=True)
            except Refused as refused:
                log.error("access.not_recorded", credential=str(address), why=refused.detail)
                raise LogUnavailable(f"{address} is not in the log yet, and cannot be put there now") from None

    async def run(self) -> None:
        """Find what nobody said; also what was not possible to say at the start."""
        while True:
            seen = await asyncio.to_thread(stamps, self.gateway.home)
            newest = max((stamp for stamp in seen), default=0.0)
            if seen != self.seen and now().timestamp() - newest > SETTLED_SECONDS:
                await self.try_record()
            await asyncio.sleep(WATCH_SECONDS)

    async def try_record(self) -> None:
        """Record; where the log cannot take it now, ``run`` tries again."""
        try:
            answer = await self.record(SELF, found=True)
        except (Refused, LogUnavailable, OSError) as error:
            log.warning("access.not_recorded", why=str(error))
            return
        if answer.recorded:
            log.info("access.recorded", credentials=answer.recorded)

    def say_wrong_names(self) -> None:
        for why in proven_names(self.gateway.home).wrong:
            log.error("names.changed", why=why)

    def add(self, frame: Frame) -> bool:
        """A commit of some credential: of a subscriber that is shut out, or has a new token, the streams end."""
        sort = frame.address.key.partition(":")[0]
        ending = {"credential.revoked", "credential.rotated"}
        if sort == "subscriber" and any(type in ending for type, _ in frame.written(True)):
            self.gateway.open_streams.end_of(frame.address.key)
        return False

    def drop(self, position: int) -> None:
        """It keeps no place in the ring."""

    def wake(self) -> None:
        """It does not wait."""


def in_force(db: Database) -> tuple[dict[Address, Credential], set[Address]]:
    """The credentials that are granted, and the witnesses that are active."""
    held = {address: state for address, state, _ in with_status(db, CREDENTIAL.kind, ["granted"])}
    return held, {address for address, _, _ in with_status(db, WITNESS.kind, ["active"])}


def is_granted(db: Database, address: Address) -> bool:
    found = show(db, address)
    return found is not None and found.status == "granted"


async def record_access(call: Call) -> Response:
    await call.json(RecordRequest)
    return reply(await call.gateway.access.record(call.caller.actor, found=False))


async def set_name(call: Call) -> Response:
    """Give a person another name, or erase it: the log is told first, so that no name stands that it was not told."""
    name, actor, home = (await call.json(NameRequest)).name.strip(), call.params["key"], call.gateway.home
    if len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
        raise Refused("credential.name", f"name must be at most {NAME_CHARACTERS_MAX} printable characters")
    names = await asyncio.to_thread(read_names, home)
    if actor not in names:
        raise Refused("credential.absent", f"there is no person {actor[:80]!r}; `treering credential list` shows them")
    if name and name == names[actor].name and actor in (await asyncio.to_thread(proven_names, home)).names:
        return reply(RecordAnswer([]))
    login = names.pop(actor).login
    command: RenameCredential | EraseCredentialName = EraseCredentialName()
    if name:
        names[actor] = new_name(name, login)
        command = RenameCredential(commitment(actor, names[actor]))
    written = await call.gateway.commands.send(user_address(actor), command, call.context())
    await asyncio.to_thread(write_names, home, names)
    return reply(RecordAnswer([str(user_address(actor))], written.position))
