"""Questions about proof: what was signed, that an event is in the log, that the log only grew."""

from __future__ import annotations

from functools import partial

from treering.adapters.log_copy import LogCopy, frontier_at
from treering.adapters.notes import to_base64
from treering.adapters.proofs import Consistency, consistency_bytes, prove_consistency, prove_inclusion
from treering.adapters.sqlite_view import Database
from treering.domain.event import EVENT
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, address_or_none
from treering.views.proof_queries import (
    CheckpointAnswer,
    CheckpointQuery,
    ConsistencyAnswer,
    ConsistencyQuery,
    ProveAnswer,
    ProveQuery,
)
from treering_services.monitor.notary import Notary
from treering_services.monitor.question import Asked, Question


async def answer_checkpoint(monitor: Asked, query: CheckpointQuery) -> CheckpointAnswer:
    notary = monitor.notary
    if query.sign:
        await monitor.keeper.caught_up()
        await monitor.alarmed(monitor.keeper.seal())
        await caught_up(monitor)
        await monitor.alarmed(notary.publish())
    head, key, note = notary.head, str(notary.key.verifier), notary.note.decode()
    return CheckpointAnswer(notary.key.name, head.size, to_base64(head.root), key, note, notary.witnesses)


async def answer_prove(monitor: Asked, query: ProveQuery) -> ProveAnswer:
    await caught_up(monitor)
    address = Address(query.workspace, query.kind, query.name)
    position = await monitor.stores.copy.read(partial(position_of, address=address, wanted=query.position))
    head, note = await covering(monitor, position)
    copy = monitor.stores.copy
    hashes = await copy.read(partial(prove_inclusion, position=position, size=head, path=copy.path))
    return ProveAnswer(position, list(map(to_base64, hashes)), note.decode())


async def caught_up(monitor: Asked) -> None:
    """What was in the log when the question came is in the second copy."""
    await monitor.projector.reached(await monitor.head())


def position_of(db: Database, *, address: Address, wanted: int) -> int:
    """The position of the resource's newest commit, or the ``wanted`` one if it is of this resource."""
    sql = "SELECT max(position) FROM commits WHERE subject = ? AND (? = 0 OR position = ?)"
    (found,) = db.execute(sql, (address.subject, wanted, wanted)).fetchone()
    if found is None:
        where = f" at position {wanted}; {instead(db, address, wanted)}" if wanted else ""
        raise Refused(f"{address.kind}.absent", f"{address} in workspace {address.workspace} has no event{where}")
    return int(found)


def instead(db: Database, address: Address, wanted: int) -> str:
    """What to do: a story also tells of events that are not of its resource but about it, or of a job's run."""
    row = db.execute("SELECT subject FROM commits WHERE position = ?", (wanted,)).fetchone()
    other = address_or_none(row["subject"]) if row else None
    if other is None or other.workspace != address.workspace:
        return f"`treering story {address}` shows where they are"
    what = "a published event" if other.kind == EVENT.kind else "one"
    return f"{what} of {other} is there: `treering audit prove {other} --event {wanted}` proves it"


async def covering(monitor: Asked, position: int) -> tuple[int, bytes]:
    """A checkpoint that covers ``position``, signed now if need be: its size and its note."""
    notary = monitor.notary
    if notary.head.size < position:
        await monitor.alarmed(notary.sign())
    return notary.head.size, notary.note


async def answer_consistency(monitor: Asked, query: ConsistencyQuery) -> ConsistencyAnswer:
    notary, copy = monitor.notary, monitor.stores.copy
    await caught_up(monitor)
    await monitor.alarmed(notary.sign())
    new = query.new or notary.head.size
    if not 0 < query.old <= new <= notary.head.size:
        raise Refused(
            "checkpoint.range",
            f"the log has {notary.head.size} commits: from {query.old} to {new} is not a way it grew",
        )
    hashes = await copy.read(partial(prove_consistency, old=query.old, new=new))
    old_note, new_note = [await signed_at(notary, copy, size) for size in (query.old, new)]
    proof = consistency_bytes(Consistency(tuple(hashes), old_note, new_note))
    return ConsistencyAnswer(query.old, new, proof.decode())


async def signed_at(notary: Notary, copy: LogCopy, size: int) -> bytes:
    """The checkpoint of an earlier size: what the log was then, signed now."""
    return notary.key.sign_head(size, (await copy.read(partial(frontier_at, size=size))).root())


PROOF_QUESTIONS = {
    "checkpoint": Question(CheckpointQuery, answer_checkpoint),
    "prove": Question(ProveQuery, answer_prove),
    "consistency": Question(ConsistencyQuery, answer_consistency),
}
