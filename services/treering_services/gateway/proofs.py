"""Proof for those who do not trust this machine: checkpoints, and the files that show what is in the log."""

from __future__ import annotations

import asyncio

from msgspec import Struct
from starlette.responses import PlainTextResponse, Response

from treering.adapters.named_proofs import named_bytes
from treering.adapters.names import read_names, told_at
from treering.adapters.notes import NoteInvalid, from_base64
from treering.adapters.proofs import inclusion_bytes, inclusion_of
from treering.kernel.bounds import Position
from treering.kernel.log import Entry
from treering.kernel.merkle import ProofInvalid
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering.views.proof_queries import (
    CheckpointAnswer,
    CheckpointQuery,
    ConsistencyAnswer,
    ConsistencyQuery,
    ProveAnswer,
    ProveQuery,
)
from treering_services.gateway.access_files import user_address
from treering_services.gateway.call import Call, reply
from treering_services.gateway.core import checked_address, kind_of
from treering_services.gateway.relays import ask_monitor

PROOF_TYPE = "text/plain"
PERSON = "u_"


class ProofOf(Struct, frozen=True, forbid_unknown_fields=True):
    """``event``: the position of one of the resource's events; 0 is its newest. ``names``: with who did it, by name."""

    event: Position = 0
    names: bool = False


class Sizes(Struct, frozen=True, forbid_unknown_fields=True):
    """How many commits the log had; ``new`` 0 is all that it has now."""

    old: Position
    new: Position = 0


async def checkpoint(call: Call) -> Response:
    return reply(await ask_monitor(call, "checkpoint", CheckpointQuery(), CheckpointAnswer))


async def sign_checkpoint(call: Call) -> Response:
    await call.json(CheckpointQuery)
    return reply(await ask_monitor(call, "checkpoint", CheckpointQuery(sign=True), CheckpointAnswer))


async def consistency(call: Call) -> Response:
    sizes = call.query(Sizes)
    query = ConsistencyQuery(sizes.old, sizes.new)
    return reply(await ask_monitor(call, "consistency", query, ConsistencyAnswer))


async def proof(call: Call) -> Response:
    """The proof file: the commit as the log has it, under the hashes of the second copy, which must agree."""
    address = checked_address(call.workspace, kind_of(call.params["kinds"]).kind, call.params["key"])
    asked = call.query(ProofOf)
    entry, data = await proof_of(call, address, asked.event)
    actor = entry.commit().actor
    if asked.names and actor.startswith(PERSON):  # the id of a program says who it is
        data = await with_name(call, actor, data)
    return PlainTextResponse(data, media_type=PROOF_TYPE)


async def with_name(call: Call, actor: str, data: bytes) -> bytes:
    """The proof of an event with the name of its actor, which the log must have been told."""
    home = call.gateway.home
    name = (await asyncio.to_thread(read_names, home)).get(actor)
    at = await asyncio.to_thread(told_at, home, actor, name) if name else 0
    if name is None or not at:
        why = "is not one the log was told" if name else "is not here (any more)"
        raise Refused("proof.name", f"the name of {actor} {why}: ask without names")
    _, told = await proof_of(call, user_address(actor), at)
    return named_bytes(name, data, told)


async def proof_of(call: Call, address: Address, event: int) -> tuple[Entry, bytes]:
    found = await ask_monitor(call, "prove", ProveQuery(*address, position=event), ProveAnswer)
    entry = await call.gateway.log.at(found.position)
    if entry is None:
        raise Refused("log.damaged", f"position {found.position} of the log cannot be read")
    try:
        hashes = [from_base64(hash) for hash in found.hashes]
        return entry, inclusion_bytes(inclusion_of(entry, hashes, found.checkpoint.encode()))
    except (ProofInvalid, NoteInvalid) as error:
        raise Refused("log.damaged", f"position {found.position} of the log is not what was signed: {error}") from None
