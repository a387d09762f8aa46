"""MLflow's calls about webhooks. They are our webhooks, with the body ``mlflow``: the same list, the same deliveries.

A webhook's id is its name here. It begins with the name that was asked for, which need not be the only one of its
kind over there, and ends with a digest of the request.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime
from urllib.parse import urlsplit

from starlette.responses import Response

from treering.domain.mlflow_events import selected
from treering.domain.webhook import WEBHOOK, Webhook, check_url
from treering.domain.webhook_messages import CreateWebhook, DeleteWebhook, PauseWebhook, ResumeWebhook, UpdateWebhook
from treering.kernel.ending import run_together
from treering.kernel.refusal import Refused
from treering.kernel.shared_limits import PAGE_MAX
from treering.kernel.subjects import Address
from treering.kernel.webhook_signature import mlflow_key_of
from treering.views.states import Resource, newest
from treering.views.webhook_queries import TestQuery
from treering_services.gateway.call import Call
from treering_services.gateway.commands import require_secret
from treering_services.gateway.mlflow.errors import absent, invalid
from treering_services.gateway.mlflow.messages import answer, read
from treering_services.gateway.mlflow.page_tokens import next_token, offset_of
from treering_services.gateway.mlflow.place import workspace_of
from treering_services.gateway.mlflow.webhook_messages import (
    Hook,
    HookChange,
    HookPage,
    Hooks,
    HookTest,
    NewHook,
    OneHook,
    TestAnswer,
    TestResult,
    events_of,
)
from treering_services.gateway.mlflow.webhook_rules import event_name, event_names, hook_name, hook_url
from treering_services.gateway.webhook_addresses import address_of, forget_address
from treering_services.gateway.webhooks import change, check_address, make, send_test

RESULTS_DEFAULT, RESULTS_MAX = 100, 1000
READS_AT_ONCE_MAX = 32


async def create(call: Call) -> Response:
    asked = await read(call, NewHook)
    name, url, types = hook_name(asked.name), hook_url(asked.url), event_names(asked.events or [])
    suffix = hashlib.sha256(call.command_id().encode()).hexdigest()[:8]
    address = Address(workspace_of(call), WEBHOOK.kind, f"{name}-{suffix}")
    await check_place(call, url)
    since = await call.gateway.log.head()
    command = CreateWebhook(
        url, since, types=types, body="mlflow", description=asked.description, title=name,
        paused=asked.status == "DISABLED",
    )  # fmt: skip
    await make(call, address, command, asked.secret)
    return await one(call, address.key)


async def check_place(call: Call, url: str) -> None:
    """Public and https, as MLflow demands; other addresses, and http, when the operator let them through."""
    check_url(url)
    try:
        found = await check_address(call, url)
    except Refused as refused:
        if refused.code != "address.forbidden":
            raise
        raise invalid(f"Webhook URL must not resolve to a non-public IP address. {refused.detail}") from None
    if urlsplit(url).scheme == "http" and not found.allowed:
        raise invalid(
            "Invalid webhook URL scheme: 'http'. Allowed schemes are: https."
            " http is for addresses that an operator allows with --allow-address"
        )


async def get(call: Call) -> Response:
    return await one(call, call.params["webhook_id"])


async def one(call: Call, id: str) -> Response:
    return answer(OneHook(await hook(call, await find(call, id))))


async def list_hooks(call: Call) -> Response:
    asked = await read(call, HookPage)
    limit = asked.max_results or RESULTS_DEFAULT
    if not 1 <= limit <= RESULTS_MAX:
        raise invalid(f"max_results must be between 1 and {RESULTS_MAX}.")
    offset, workspace = offset_of(asked.page_token), workspace_of(call)
    await call.gateway.reached(call.gateway.tracking.commits_written)
    known = await call.gateway.reader.read(lambda db: newest(db, workspace, WEBHOOK.kind, limit=PAGE_MAX))
    found = [row for row in known if state_of(row).body == "mlflow"][offset : offset + limit + 1]
    permits = asyncio.Semaphore(READS_AT_ONCE_MAX)

    async def shown(row: Resource) -> Hook:
        async with permits:
            return await hook(call, row)

    hooks = await run_together(*(shown(row) for row in found[:limit]))
    return answer(Hooks(hooks, next_token(offset, limit, len(found))))


async def update(call: Call) -> Response:
    asked = await read(call, HookChange)
    row = await find(call, call.params["webhook_id"])
    command = UpdateWebhook(
        url=hook_url(asked.url) if asked.url else None,
        types=event_names(asked.events) if asked.events else None,
        description=asked.description,
        title=hook_name(asked.name) if asked.name else None,
    )
    if asked.secret:
        mlflow_key_of(asked.secret)
    if command.url:
        await check_place(call, command.url)
    address = Address(row.workspace, row.kind, row.name)
    await change(call, row, command, asked.secret)
    if asked.status:
        switch = ResumeWebhook() if asked.status == "ACTIVE" else PauseWebhook()
        if asked.status == "ACTIVE":
            await require_secret(call, address)
        context = call.context(f"{call.command_id()}:status")
        await call.gateway.commands.send(address, switch, context)
    return await one(call, row.name)


async def delete(call: Call) -> Response:
    row = await find(call, call.params["webhook_id"])
    address = Address(row.workspace, row.kind, row.name)
    written = await call.gateway.commands.send(address, DeleteWebhook(), call.context())
    await forget_address(call.gateway, state_of(row), written)
    return answer()


async def test(call: Call) -> Response:
    asked = await read(call, HookTest)
    row = await find(call, call.params["webhook_id"])
    type = event_name(asked.event) if asked.event else ""
    try:
        said = await send_test(call, TestQuery(row.workspace, row.name, row.position, type))
    except Refused as refused:
        if refused.code != "webhook.not_active":
            raise
        return answer(TestAnswer(TestResult(False, error_message=f"Failed to test webhook: {refused.detail}")))
    why = f"Failed to test webhook: {said.why}" if said.why else ""
    return answer(TestAnswer(TestResult(said.ok, said.status, said.answer, why)))


async def find(call: Call, id: str) -> Resource:
    """A webhook that tells of things as MLflow does, paused or not."""
    found = await call.gateway.find_now(Address(workspace_of(call), WEBHOOK.kind, id))
    if found is None or found.archived or state_of(found).body != "mlflow":
        raise absent(f"Webhook with ID {id} not found.")
    return found


def state_of(row: Resource) -> Webhook:
    state: Webhook = WEBHOOK.states.decode(row.state)
    return state


async def hook(call: Call, row: Resource) -> Hook:
    """The last change is the last commit, which the log has the time of."""
    state = state_of(row)
    last = await call.gateway.log.at(row.position)
    created = datetime.fromisoformat(row.created_at)
    changed = last.commit().at if last else created
    url = await address_of(call.gateway, Address(row.workspace, row.kind, row.name), state)
    return Hook(
        row.name, state.title or row.name, url, events_of(selected(state.types)),
        "ACTIVE" if state.status == "active" else "DISABLED", milliseconds(created), milliseconds(changed),
        state.description,
    )  # fmt: skip


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
