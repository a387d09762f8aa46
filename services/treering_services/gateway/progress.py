"""How far jobs are, asked of the scheduler, who hears it with every renewal of a lease; and which stand still."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct
from starlette.responses import Response

from treering.adapters.bus import question
from treering.domain.compute import COMPUTE
from treering.domain.job import HELD, JOB
from treering.domain.node import NODE
from treering.kernel.clock import now
from treering.kernel.log import LogUnavailable
from treering.kernel.progress import Progress, ProgressAnswer, ProgressQuery
from treering.views.states import Resource, show, with_status
from treering.views.stuck import ROWS_MAX
from treering.views.time_queries import StuckRow
from treering_services.gateway.call import Call, reply
from treering_services.gateway.computes import making_again
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


async def without_nodes(gateway: Gateway, workspace: str) -> list[StuckRow]:
    """The queued jobs whose compute has no node that is online, for ``stuck``: at once, however short they wait."""
    jobs = await gateway.reader.read(lambda db: with_status(db, JOB.kind, ["Queued"]))
    nodes = await gateway.reader.read(lambda db: with_status(db, NODE.kind, ["online"]))
    there = {(address.workspace, node.compute) for address, node, _ in nodes}
    alone = [
        (address, job.spec.compute)
        for address, job, _ in jobs
        if job.spec and workspace in ("", address.workspace) and (address.workspace, job.spec.compute) not in there
    ]
    targets = await gateway.reader.read(lambda db: with_status(db, COMPUTE.kind, ["active"]))
    active = {(address.workspace, address.key) for address, _, _ in targets}
    found = await gateway.reader.read(
        lambda db: [(compute, one) for address, compute in alone[:ROWS_MAX] if (one := show(db, address))]
    )
    return [waiting(compute, one, (one.workspace, compute) not in active) for compute, one in found]


def waiting(compute: str, job: Resource, deleted: bool) -> StuckRow:
    since = job.timeline[-1][1] if job.timeline else job.created_at
    seconds = max((now() - datetime.fromisoformat(since)).total_seconds(), 0.0)
    run = f"treering service executor -w {job.workspace} --node NAME --compute {compute}"
    why = f"no node of compute {compute} is online: `{run}` runs one beside `treering up`"
    if deleted:
        why = f"compute {compute} was deleted: {making_again(compute)}, `treering job cancel {job.name}` ends the job"
    return StuckRow(job.workspace, JOB.kind, job.name, "waiting", job.status, since, seconds, why)


async def asked(gateway: Gateway, query: ProgressQuery) -> ProgressAnswer:
    """Without an answer there is no progress to show: everything else is shown all the same."""
    try:
        return await question(
            gateway.client, "progress", query, ProgressAnswer, timeout_seconds=ASK_SECONDS, to="lease"
        )
    except LogUnavailable:
        return ProgressAnswer([])
