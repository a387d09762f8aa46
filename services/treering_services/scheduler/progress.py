"""How far each attempt is, as its node said when it last renewed its lease: in memory only."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from treering.kernel.lease import Renew
from treering.kernel.progress import PROGRESSES_MAX, Progress, ProgressAnswer, ProgressQuery, ProgressRow
from treering.kernel.subjects import Address
from treering_services.scheduler.board import Board

NODES_MAX = 10_000


@dataclass
class ProgressBoard:
    """``said``: by workspace and node, when it was heard in monotonic seconds, and what it said."""

    said: dict[tuple[str, str], tuple[float, tuple[Progress, ...]]] = field(default_factory=dict)

    def hear(self, renew: Renew, now_seconds: float) -> None:
        node = (renew.workspace, renew.node)
        self.said.pop(node, None)
        if renew.progress and len(self.said) < NODES_MAX:
            self.said[node] = (now_seconds, renew.progress)

    def answer(self, board: Board, query: ProgressQuery, now_seconds: float) -> ProgressAnswer:
        """Of attempts that their node still holds. What a silent node said last stands still."""
        rows = [
            ProgressRow(workspace, node, later(progress, now_seconds - heard))
            for (workspace, node), (heard, said) in self.said.items()
            for progress in said
            if query.workspace in ("", workspace)
            and query.job in ("", progress.job)
            and is_held(board, workspace, node, progress)
        ]
        return ProgressAnswer(rows[:PROGRESSES_MAX], len(rows) > PROGRESSES_MAX)


def is_held(board: Board, workspace: str, node: str, progress: Progress) -> bool:
    job = board.held.get(Address(workspace, "job", progress.job))
    return job is not None and (job.node, job.attempt) == (node, progress.attempt)


def later(progress: Progress, seconds: float) -> Progress:
    return replace(
        progress,
        seconds=round(progress.seconds + seconds, 1),
        still_seconds=round(progress.still_seconds + seconds, 1),
    )
