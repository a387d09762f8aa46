"""How a machine becomes a node, and how its executor gets the token of a job it holds."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from treering.adapters.nats_credentials import Credential, read_credential
from treering.domain.job import HELD, JOB, Job
from treering.kernel.refusal import Refused
from treering.kernel.resource_name import ResourceName
from treering.kernel.subjects import checked_name
from treering_services.gateway.call import Call, reply
from treering_services.gateway.core import checked_address
from treering_services.gateway.resources import AfterQuery

EXECUTOR = "executor"


class JoinRequest(Struct, frozen=True, forbid_unknown_fields=True):
    workspace: ResourceName
    node: ResourceName


class JoinAnswer(Struct, frozen=True):
    """``token`` is for this gateway, ``credential`` for NATS at ``nats_urls``. Keep both to yourself (0600)."""

    nats_urls: list[str]
    credential: Credential
    token: str


class JobTokenAnswer(Struct, frozen=True):
    token: str
    attempt: int


async def join_node(call: Call) -> Response:
    asked = await call.json(JoinRequest)
    workspace, node = checked_name(asked.workspace, "workspace"), checked_name(asked.node, "node")
    gateway = call.gateway
    await gateway.require_workspace(workspace)
    credential = read_credential(gateway.home.root, EXECUTOR)
    answer = JoinAnswer(gateway.urls, credential, gateway.tokens.mint_node(workspace, node))
    return reply(answer, headers={"cache-control": "no-store"})


async def job_token(call: Call) -> Response:
    """For the executor that holds the job now, and nobody else."""
    address = checked_address(call.workspace, JOB.kind, call.params["key"])
    found = await call.gateway.get(address, after=call.query(AfterQuery).after)
    job: Job = JOB.states.decode(found.state)
    if job.status not in HELD or job.node != call.caller.name:
        raise Refused("auth.forbidden", f"node {call.caller.name!r} does not hold job {address.key!r}")
    token = call.gateway.tokens.mint_job(address, job.attempt)
    return reply(JobTokenAnswer(token, job.attempt), headers={"cache-control": "no-store"})
