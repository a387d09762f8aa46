"""Which job goes where, as a pure function of the board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from treering.domain.job import Job
from treering.domain.job_messages import AssignJob, LoseJob
from treering.domain.node import Node
from treering.kernel.lease import Renew
from treering.kernel.subjects import Address
from treering_services.scheduler.board import Board

PREPARE_AHEAD_MAX = 2


class Assignment(NamedTuple):
    job: Address
    command: AssignJob


class Loss(NamedTuple):
    job: Address
    command: LoseJob


def assignments(board: Board, under_way: Collection[Address]) -> list[Assignment]:
    """Queued jobs in turn, each to the online node of its compute with most room.

    ``under_way`` are jobs whose assignment was sent and not seen yet; they take up room already. The only
    node of a compute also gets a few jobs ahead of a free slot, to prepare them while others run; with
    several nodes that could keep a job from a node that is free sooner.
    """
    rooms = {address: room_of(board, address, node) for address, node in board.nodes.items() if node.status == "online"}
    for address in under_way:
        take_room(board, rooms, address)
    planned: list[Assignment] = []
    if not any(room > 0 for room in rooms.values()):
        return planned
    for address, job in in_turn(board, under_way):
        if not any(room > 0 for room in rooms.values()):
            break
        if address in under_way or job.spec is None:
            continue
        node = roomiest(board, rooms, address.workspace, job.spec.compute)
        if node is None:
            continue
        rooms[node] -= 1
        command = AssignJob(job.attempt + 1, node.key, board.nodes[node].incarnation)
        planned.append(Assignment(address, command))
    return planned


def in_turn(board: Board, under_way: Collection[Address]) -> list[tuple[Address, Job]]:
    """The queue in order of submission, but what people submit and what jobs submit takes turns, and of the latter what
    each job submits: a job cannot keep its submitter from a slot by submitting more. Who has fewest under way is next.
    """
    queued = list(board.queued.items())
    if not any(job.via for _, job in queued):
        return queued
    begun = [
        *board.held.items(),
        *((address, board.queued[address]) for address in under_way if address in board.queued),
    ]
    waiting = [(address, job) for address, job in queued if address not in under_way]
    for party_of in (submitter, kind_of_submitter):
        waiting = taking_turns(waiting, Counter(party_of(*one) for one in begun), party_of)
    return waiting


def submitter(address: Address, job: Job) -> tuple[str, str]:
    return address.workspace, job.via


def kind_of_submitter(address: Address, job: Job) -> tuple[str, bool]:
    return address.workspace, bool(job.via)


def taking_turns(
    jobs: list[tuple[Address, Job]], begun: Counter[Any], party_of: Callable[[Address, Job], Any]
) -> list[tuple[Address, Job]]:
    """Of the parties in turn, of each in the order in which they came; ``begun``: how many each has under way."""
    ranked = []
    for one in jobs:
        party = party_of(*one)
        ranked.append((begun[party], one))
        begun[party] += 1
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0])]


def take_room(board: Board, rooms: dict[Address, int], address: Address) -> None:
    """An assignment on its way takes a place on the node it most likely goes to."""
    job = board.queued.get(address)
    if job is not None and job.spec is not None:
        node = roomiest(board, rooms, address.workspace, job.spec.compute)
        if node is not None:
            rooms[node] -= 1


def room_of(board: Board, address: Address, node: Node) -> int:
    on_compute = Counter((a.workspace, n.compute) for a, n in board.nodes.items() if n.status == "online")
    alone = on_compute[(address.workspace, node.compute)] == 1
    ahead = min(node.slots, PREPARE_AHEAD_MAX) if alone else 0
    return node.slots + ahead - len(board.held_by(address))


def roomiest(board: Board, rooms: dict[Address, int], workspace: str, compute: str) -> Address | None:
    fitting = [
        address
        for address, room in rooms.items()
        if room > 0 and address.workspace == workspace and board.nodes[address].compute == compute
    ]
    return max(fitting, key=lambda address: (rooms[address], address.key), default=None)


def losses(board: Board) -> list[Loss]:
    """Held jobs whose node is not there any more, or has come back as another incarnation."""
    lost: list[Loss] = []
    for address, job in board.held.items():
        node = board.nodes.get(Address(address.workspace, "node", job.node))
        if node is not None and node.status == "online" and node.incarnation == job.incarnation:
            continue
        reason = "its node restarted" if node is not None and node.status == "online" else "its node is gone"
        lost.append(Loss(address, LoseJob(job.attempt, reason)))
    return lost


def forgotten(board: Board, renew: Renew) -> list[Loss]:
    """Jobs that a living executor has seen assigned to it and does not name in its renewal: it failed on them.

    Not asked while the board has yet to see what it reported; and a job that is over cannot be lost.
    """
    if board.position < renew.reported:
        return []
    named = set(renew.attempts)
    return [
        Loss(address, LoseJob(job.attempt, "its node does not know it any more"))
        for address, job in board.held_by(Address(renew.workspace, "node", renew.node), renew.incarnation)
        if (address.key, job.attempt) not in named and board.seen[address].position <= renew.position
    ]
