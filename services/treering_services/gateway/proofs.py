"""Proof for those who do not trust this machine: checkpoints, and the files that show what is in the log."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import PlainTextResponse, Response

from treering.adapters.notes import NoteInvalid, from_base64
from treering.adapters.proofs import inclusion_bytes, inclusion_of
from treering.kernel.merkle import ProofInvalid
from treering.kernel.refusal import Refused
from treering.views.proof_queries import (
    CheckpointAnswer,
    CheckpointQuery,
    ConsistencyAnswer,
    ConsistencyQuery,
    Position,
    ProveAnswer,
    ProveQuery,
)
from treering_services.gateway.call import Call, reply
from treering_services.gateway.core import checked_address, kind_of
from treering_services.gateway.relays import ask_monitor

PROOF_TYPE = "text/plain"


class ProofOf(Struct, frozen=True, forbid_unknown_fields=True):
    """``event``: the position of one of the resource's events; 0 is its newest."""

    event: Position = 0


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
    query = ProveQuery(*address, position=call.query(ProofOf).event)
    found = await ask_monitor(call, "prove", query, ProveAnswer)
    entry = await call.gateway.log.at(found.position)
    if entry is None:
        raise Refused("log.damaged", f"position {found.position} of the log cannot be read")
    try:
        hashes = [from_base64(hash) for hash in found.hashes]
        data = inclusion_bytes(inclusion_of(entry, hashes, found.checkpoint.encode()))
    except (ProofInvalid, NoteInvalid) as error:
        raise Refused("log.damaged", f"position {found.position} of the log is not what was signed: {error}") from None
    return PlainTextResponse(data, media_type=PROOF_TYPE)
