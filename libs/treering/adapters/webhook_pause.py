"""Pause the webhooks of a restored log, so that two installations do not tell the same things to others."""

from __future__ import annotations

from nats.aio.client import Client

from treering.adapters.jetstream_log import JetStreamLog
from treering.adapters.log_copy import LogCopy
from treering.adapters.names import read_names
from treering.adapters.sqlite_view import Database
from treering.config import Home
from treering.domain.webhook import WEBHOOK, Webhook
from treering.domain.webhook_messages import PauseWebhook
from treering.kernel.clock import new_id, now
from treering.kernel.command import Context
from treering.kernel.log import UNDECODABLE, commits
from treering.kernel.subjects import Address, address_or_none
from treering.kernel.writer import Writer

NOBODY = "service:restore"


async def pause_webhooks(client: Client, copy: LogCopy, home: Home, login: str) -> list[str]:
    """Append to the log that each active webhook is paused, by who restores it; their names, with the workspace."""
    actors = [actor for actor, name in read_names(home).items() if name.login == login]
    writer = Writer(JetStreamLog(client), WEBHOOK)
    active = await copy.read(active_webhooks)
    for address in active:
        context = Context(new_id(), now(), actors[0] if actors else NOBODY, cause="restored from a backup")
        await writer.execute(address, PauseWebhook(), context)
    return [f"{address.workspace}/{address.key}" for address in active]


def active_webhooks(db: Database) -> list[Address]:
    """Folded from the commits; there are hundreds of them, not millions."""
    states: dict[Address, Webhook] = {}
    sql = "SELECT subject, body FROM commits WHERE subject GLOB 'evt.*.webhook.*' ORDER BY position"
    for subject, body in db.execute(sql):
        address = address_or_none(subject)
        if address is not None and address.kind == WEBHOOK.kind:
            try:
                events = WEBHOOK.events.decode(commits.decode(body).events)
            except UNDECODABLE:
                continue  # Nobody sends what such a webhook asks for: the views leave it out.
            states[address] = WEBHOOK.fold(events, states.get(address, WEBHOOK.initial))
    return [address for address, state in states.items() if state.status == "active"]
