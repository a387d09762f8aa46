"""How far jobs are, asked of the scheduler, who hears it with every renewal of a lease; and which stand still."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct
from starlette.responses import Response

from treering.adapters.bus import question
from treering.domain.job import HELD, JOB
from treering.kernel.clock import now
from treering.kernel.log import LogUnavailable
from treering.kernel.progress import Progress, ProgressAnswer, ProgressQuery
from treering.views.time_queries import StuckRow
from treering_services.gateway.call import Call, reply
from treering_services.gateway.core import Gateway, checked_address

ASK_SECONDS = 1.0
STILL_SECONDS = 120.0
# What the user's command does, and what waits for it, has no figure: how long that may take is for limits.timeout.
UNMEASURED = ("running", "waiting")


class JobProgress(Struct, frozen=True):
    """``progress`` is null when no step lasts longer than a moment, the job is over, or its node was not heard yet."""

    job: str
    status: str
    node: str = ""
    progress: Progress | None = None


async def job_progress(call: Call) -> Response:
    address = checked_address(call.workspace, JOB.kind, call.params["key"])
    found = await call.gateway.get(address)
    if found.status not in HELD:
        return reply(JobProgress(found.name, found.status))
    said = await asked(call.gateway, ProgressQuery(address.workspace, address.key))
    rows = [JobProgress(found.name, found.status, row.node, row.progress) for row in said.rows]
    return reply(rows[0] if rows else JobProgress(found.name, found.status))


async def standing_still(gateway: Gateway, workspace: str) -> list[StuckRow]:
    """The attempts whose step has made no progress for STILL_SECONDS, for ``stuck``."""
    said = await asked(gateway, ProgressQuery(workspace))
    return [
        StuckRow(
            row.workspace, JOB.kind, one.job, "still", one.step, (now() - timedelta(seconds=one.seconds)).isoformat(),
            one.still_seconds, f"its step {one.step} does not go on{f', at {one.text}' if one.text else ''}",
        )
        for row in said.rows
        for one in (row.progress,)
        if one.still_seconds >= STILL_SECONDS and one.step not in UNMEASURED
    ]  # fmt: skip


async def asked(gateway: Gateway, query: ProgressQuery) -> ProgressAnswer:
    """Without an answer there is no progress to show: everything else is shown all the same."""
    try:
        return await question(
            gateway.client, "progress", query, ProgressAnswer, timeout_seconds=ASK_SECONDS, to="lease"
        )
    except LogUnavailable:
        return ProgressAnswer([])
