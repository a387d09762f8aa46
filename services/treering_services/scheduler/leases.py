"""Which nodes are alive: each renewal counts from when the scheduler heard it, on its own monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from treering.config import Timing
from treering.kernel.lease import Renew, Renewed
from treering.kernel.subjects import Address
from treering_services.scheduler.board import Board


@dataclass
class Leases:
    """``heard`` says when each incarnation was last heard of, in monotonic seconds."""

    timing: Timing
    heard: dict[tuple[Address, str], float] = field(default_factory=dict)

    def renew(self, board: Board, renew: Renew, now_seconds: float) -> Renewed:
        """Answer a renewal. A node whose joining the board has not reached yet is believed."""
        address = Address(renew.workspace, "node", renew.node)
        node = board.nodes.get(address)
        if board.position >= renew.position and (
            node is None or node.incarnation != renew.incarnation or node.status != "online"
        ):
            return Renewed(self.timing.lease_seconds, fenced=True)
        self.heard[(address, renew.incarnation)] = now_seconds
        held = {(job.key, state.attempt) for job, state in board.held_by(address, renew.incarnation)}
        finished = tuple(
            (job, attempt)
            for job, attempt in renew.attempts
            if (job, attempt) not in held and self.is_over(board, renew.workspace, job, attempt)
        )
        return Renewed(self.timing.lease_seconds, stale=finished)

    def is_over(self, board: Board, workspace: str, job: str, attempt: int) -> bool:
        """Only what the board has certainly seen: a newer attempt, or the same one back in the queue.

        A job that is queued before this attempt is no such thing: the executor has seen the log further than we.
        """
        state = board.jobs.get(Address(workspace, "job", job))
        if state is None or state.attempt < attempt:
            return False
        return state.attempt > attempt or state.status == "Queued"

    def expired(self, board: Board, now_seconds: float) -> list[tuple[Address, str]]:
        """Online nodes not heard of for a lease and a margin. A node new to us has a whole lease from now."""
        limit = self.timing.lease_seconds + self.timing.margin_seconds
        online = {(address, node.incarnation) for address, node in board.nodes.items() if node.status == "online"}
        self.heard = {key: self.heard.get(key, now_seconds) for key in online}
        return [key for key, heard in self.heard.items() if now_seconds - heard > limit]
