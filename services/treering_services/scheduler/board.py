"""What the scheduler knows: unfinished jobs and nodes, a fold of the log that can be made again at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from treering.adapters.sqlite_view import Database
from treering.domain.job import HELD, JOB, TERMINAL, Job
from treering.domain.node import NODE, Node
from treering.kernel.log import Entry
from treering.kernel.subjects import Address, address_or_none
from treering.views.states import left_out, with_status

log = structlog.get_logger()


@dataclass(frozen=True)
class Seen:
    """The last commit of a job: what its next command names as its cause, and where it stands in the log."""

    commit_id: str = ""
    trace: str = ""
    position: int = 0


@dataclass
class Board:
    """``jobs`` holds those not finished, ``queued`` and ``held`` split them; ``nodes`` those that ever joined.

    ``queued`` is in order of submission; a job that was lost goes to its end. ``left_out``: jobs and nodes with an
    entry that cannot be applied, as the states view leaves them out.
    """

    position: int = 0
    jobs: dict[Address, Job] = field(default_factory=dict)
    queued: dict[Address, Job] = field(default_factory=dict)
    held: dict[Address, Job] = field(default_factory=dict)
    nodes: dict[Address, Node] = field(default_factory=dict)
    seen: dict[Address, Seen] = field(default_factory=dict)
    left_out: set[Address] = field(default_factory=set)

    def apply(self, entries: Sequence[Entry]) -> bool:
        """Take in new entries; True when anything the scheduler cares for has changed."""
        changed = False
        for entry in entries:
            self.position = entry.position
            address = address_or_none(entry.subject)
            if address is not None and address.kind in (JOB.kind, NODE.kind) and address not in self.left_out:
                try:
                    self.apply_one(address, entry)
                except Exception as error:  # of pure functions on bytes: only the entry can be at fault
                    log.error("resource.incomplete", resource=str(address), position=entry.position, why=str(error))
                    self.leave_out(address)
                changed = True
        return changed

    def leave_out(self, address: Address) -> None:
        """Plan nothing more for it: a job gets no node, a node no jobs."""
        self.left_out.add(address)
        self.put(address, JOB.initial)
        self.nodes.pop(address, None)

    def apply_one(self, address: Address, entry: Entry) -> None:
        commit = entry.commit()
        if address.kind == NODE.kind:
            node = self.nodes.get(address, NODE.initial)
            self.nodes[address] = NODE.fold(NODE.events.decode(commit.events), node)
            return
        job = JOB.fold(JOB.events.decode(commit.events), self.jobs.get(address, JOB.initial))
        self.put(address, job)
        if address in self.jobs:
            self.seen[address] = Seen(commit.id, commit.trace, entry.position)

    def put(self, address: Address, job: Job) -> None:
        """Keep the job where its status belongs; a finished one is forgotten."""
        unfinished = job.status not in TERMINAL and job.spec is not None
        for jobs, belongs in (
            (self.jobs, unfinished),
            (self.queued, unfinished and job.status == "Queued"),
            (self.held, job.status in HELD),
        ):
            if belongs:
                jobs[address] = job
            else:
                jobs.pop(address, None)
        if not unfinished:
            self.seen.pop(address, None)

    def held_by(self, node: Address, incarnation: str | None = None) -> list[tuple[Address, Job]]:
        """The jobs a node holds; with ``incarnation``, only those of that start of its executor."""
        return [
            (address, job)
            for address, job in self.held.items()
            if job.node == node.key
            and address.workspace == node.workspace
            and (incarnation is None or job.incarnation == incarnation)
        ]


def load_board(db: Database) -> Board:
    """The board as of the states view's checkpoint: rows and position come from one transaction."""
    db.execute("BEGIN")
    try:
        position = int(db.execute("SELECT position FROM checkpoint").fetchone()["position"])
        jobs: list[tuple[Address, Any, int]] = with_status(db, JOB.kind, ["Queued", *sorted(HELD)])
        nodes = with_status(db, NODE.kind, ["online", "lost", "left"])
        gone = left_out(db)
    finally:
        db.execute("COMMIT")
    board = Board(position, left_out=gone)
    for address, job, at in jobs:
        board.put(address, job)
        board.seen[address] = Seen(position=at)
    board.nodes = {address: node for address, node, _ in nodes}
    return board
