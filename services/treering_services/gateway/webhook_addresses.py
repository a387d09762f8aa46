"""Seal the address of a webhook before the log says that there is one, and remove it when nobody needs it."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from msgspec.structs import replace

from treering.adapters.sealed_values import SealedValues
from treering.adapters.webhook_addresses import ADDRESS, shown_address, whole_address
from treering.domain.webhook import WEBHOOK, Webhook, check_url
from treering.domain.webhook_messages import CreateWebhook, DeleteWebhook, UpdateWebhook
from treering.kernel.command import Written
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address
from treering_services.gateway.call import Call
from treering_services.gateway.core import Gateway
from treering_services.gateway.sealing import refuse_sealed, sent

Command = TypeVar("Command", CreateWebhook, UpdateWebhook)


async def with_sealed_address(gateway: Gateway, address: Address, command: Command) -> Command:
    """The command with the scheme and host of its address only; an update without an address stays as it is."""
    refuse_sealed(command.sealed)
    if command.url is None:
        return command
    check_url(command.url)
    sealed = await asyncio.to_thread(SealedValues(gateway.home).seal, address, {ADDRESS: command.url})
    return replace(command, url=shown_address(command.url), sealed=sealed)


async def change_webhook(call: Call, address: Address, command: UpdateWebhook | DeleteWebhook) -> Written:
    """Carry out a command after which the webhook has another address, or none."""
    gateway, context = call.gateway, call.context()
    found = await gateway.find_now(address)
    before = WEBHOOK.states.decode(found.state) if found else Webhook()
    if isinstance(command, DeleteWebhook):
        written = await gateway.commands.send(address, command, context)
    else:
        plain = await with_sealed_address(gateway, address, command)
        written = await sent(gateway, plain.sealed, lambda: gateway.commands.send(address, plain, context))
    if isinstance(command, DeleteWebhook) or command.url is not None:
        await forget_address(gateway, before, written)
    return written


async def address_of(gateway: Gateway, address: Address, webhook: Webhook) -> str:
    """The whole address, for its owner; what is shown of it where the rest is lost."""
    try:
        return await asyncio.to_thread(whole_address, SealedValues(gateway.home), address, webhook)
    except Refused:
        return webhook.url


async def forget_address(gateway: Gateway, before: Webhook, written: Written) -> None:
    """Remove the address a webhook had before it was deleted or got another."""
    if written.changed:
        await asyncio.to_thread(SealedValues(gateway.home).remove, before.sealed)


async def require_address(call: Call, address: Address, webhook: Webhook) -> None:
    """``Refused("webhook.address_missing")`` for one that could deliver to nobody: restored without keys, say."""
    await asyncio.to_thread(whole_address, SealedValues(call.gateway.home), address, webhook)
