"""Why a job that is watched has not begun: which slots there are, and who has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from treering.cli.session import Session
from treering.kernel.shared_limits import PAGE_MAX

if TYPE_CHECKING:
    from treering.client.http import Client

MAIN = "main"
LOCAL = "local"  # an answer leaves out what is as by default
AT_WORK = ("Running", "Finalizing", "CancelRequested")
Resource = dict[str, Any]


def ask_why_waiting(session: Session, client: Client, name: str) -> str:
    """Why the job waits, now; "" when it does not, or when it is not for a slot."""
    job = client.get(session.path("job", name))
    if job["status"] not in ("Queued", "Preparing"):
        return ""
    nodes = listed(session, client, "node", "online")
    if deleted := deleted_compute(session, client, job, nodes):
        return deleted
    jobs = [one for status in (*AT_WORK, "Preparing") for one in listed(session, client, "job", status)]
    return why_waiting(job, nodes, jobs)


def ask_for_node(session: Session, client: Client, job: Resource) -> str:
    """Why no node will take the job, as nodes are now; "" when one may."""
    nodes = listed(session, client, "node", "online") if job["status"] == "Queued" else []
    return why_waiting(job, nodes, ()) if job["status"] == "Queued" and not on_compute(job, nodes) else ""


def compute_of(job: Resource) -> str:
    return str(job["state"]["spec"].get("compute", LOCAL))


def on_compute(job: Resource, nodes: Sequence[Resource]) -> dict[str, int]:
    """The slots of the nodes of its compute."""
    compute = compute_of(job)
    return {node["name"]: node["state"]["slots"] for node in nodes if node["state"]["compute"] == compute}


def deleted_compute(session: Session, client: Client, job: Resource, nodes: Sequence[Resource]) -> str:
    """Why the job will not run, when nobody is to join its compute any more; else ""."""
    if on_compute(job, nodes):
        return ""
    name = compute_of(job)
    if client.get(session.path("compute", name))["status"] == "active":
        return ""
    cancel = f"or end the job with `treering job cancel {job['name']}`"
    return f"compute {name} was deleted: `{create_hint(name)}` makes it again, {cancel}"


def listed(session: Session, client: Client, kind: str, status: str) -> list[Resource]:
    items: list[Resource] = client.get(f"{session.path(kind)}?status={status}&limit={PAGE_MAX}")["items"]
    return items


def create_hint(compute: str) -> str:
    return f"treering compute create -n {compute}{' -t local' if compute == LOCAL else ''}"


def no_node_hint(compute: str, workspace: str = MAIN) -> str:
    """How a compute gets a node. The one that ``up`` runs is of one workspace."""
    if workspace == MAIN:
        join = f"`treering node join URL -n NAME --compute {compute}`"
        return f"`treering up` runs one, {join} makes another machine one" if compute == LOCAL else f"{join} makes one"
    run = f"`treering service executor -w {workspace} --node NAME --compute {compute}`"
    of_up = f"the node of `treering up` is in workspace {MAIN}; " if compute == LOCAL else ""
    return f"{of_up}{run} runs one for {workspace}"


def why_waiting(job: Resource, nodes: Sequence[Resource], jobs: Sequence[Resource]) -> str:
    """``nodes`` are online; ``jobs`` those which nodes have, of which some are prepared before there is a slot."""
    compute = compute_of(job)
    slots = on_compute(job, nodes)
    if not slots:
        has_local = any(node["state"]["compute"] == LOCAL for node in nodes)
        elsewhere = f", or submit it with --set compute={LOCAL}" if has_local else ""
        hint = no_node_hint(compute, job.get("workspace", MAIN))
        return f"waiting for a node: none of compute {compute} is online; {hint}{elsewhere}"
    others = [one["status"] for one in jobs if one["name"] != job["name"] and one["state"].get("node") in slots]
    in_use, total = sum(status in AT_WORK for status in others), sum(slots.values())
    before = len(others) - in_use
    if in_use + (before if job["status"] == "Queued" else 0) < total:
        return ""
    more = f", and {before} prepared for the next" if before and job["status"] == "Queued" else ""
    return f"waiting for a free slot on {compute}: {in_use} of {total} in use{more}"
