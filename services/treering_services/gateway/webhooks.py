"""Webhooks over HTTP: what is more than a command, because of the secret or because the notifier has the answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from treering.adapters.bus import question
from treering.adapters.webhook_secrets import secret_name, webhook_secrets
from treering.domain.watched import check_webhook
from treering.domain.webhook import WEBHOOK, Webhook, check_url, is_made_by
from treering.domain.webhook_messages import (
    Attempts,
    Body,
    CreateWebhook,
    Description,
    ReplayWebhook,
    RotateSecret,
    Timeout,
    Types,
    UpdateWebhook,
    Url,
)
from treering.kernel.bounds import Line, Name, Names, Position, Size
from treering.kernel.clock import new_id, now
from treering.kernel.command import Written
from treering.kernel.epochs import Place, check_common, read_id
from treering.kernel.refusal import Refused
from treering.kernel.resource_name import ResourceName
from treering.kernel.subjects import Address, checked_name
from treering.kernel.webhook_signature import new_secret, signing_key
from treering.views import webhook_queries as queries
from treering.views.states import Resource, with_status
from treering_services.gateway.call import Call, reply, written_headers
from treering_services.gateway.commands import command_reply
from treering_services.gateway.sealing import sent
from treering_services.gateway.webhook_addresses import forget_address, with_sealed_address

WEBHOOKS_MAX = 500
TEST_TIMEOUT_SECONDS = 40.0
OVERLAP_SECONDS, OVERLAP_SECONDS_MAX = 86_400, 30 * 86_400
WithSecret = CreateWebhook | UpdateWebhook | RotateSecret
T = TypeVar("T")


class NewWebhook(Struct, frozen=True, forbid_unknown_fields=True):
    """``since``: the position, or the id of the event, behind which it begins; left out, with what comes now.
    ``secret``: left out, one is made. ``kind``, ``resource`` (a name of that kind) and ``types`` choose the events;
    empty is all of the workspace.
    """

    name: ResourceName
    url: Url
    kind: Name = ""
    resource: Name = ""
    types: Types = []
    body: Body = "cloudevents"
    since: Position | Name | None = None
    attempts_max: Attempts = 8
    timeout_seconds: Timeout = 10
    description: Description = ""
    secret: Name = ""


class Replay(Struct, frozen=True, forbid_unknown_fields=True):
    """``since`` as in ``NewWebhook``; ``request`` names it, so that it may be said again."""

    since: Size | Name
    request: ResourceName


class SecretAnswer(Struct, frozen=True):
    """``secret`` is shown this once; "" when nothing was made because the webhook was there already."""

    name: str
    position: int
    secret: str


class Rotation(Struct, frozen=True, forbid_unknown_fields=True):
    """``overlap_seconds``: how long deliveries are signed with the old secret too; left out, a day."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=OVERLAP_SECONDS_MAX)] | None = None


class RotationAnswer(Struct, frozen=True):
    """``secret`` is shown this once. ``previous_until``: when the old one is good no more; null: at once."""

    name: str
    position: int
    secret: str
    previous_until: datetime | None = None


class RedeliverRequest(Struct, frozen=True, forbid_unknown_fields=True):
    ids: Names = []


class DeadPage(Struct, frozen=True, forbid_unknown_fields=True):
    limit: queries.Limit = 100
    page: Line = ""


async def create_webhook(call: Call) -> Response:
    """The secret is sealed before the log says that there is a webhook which needs it."""
    asked = await call.json(NewWebhook)
    address = Address(call.workspace, WEBHOOK.kind, checked_name(asked.name))
    secret = asked.secret or new_secret()
    check_webhook(asked.body, asked.types, asked.kind, address.workspace, asked.resource)
    since = await call.gateway.log.head() if asked.since is None else await since_of(call, asked.since)
    command = CreateWebhook(
        asked.url, since, asked.kind, asked.resource, asked.types, asked.body, asked.attempts_max,
        asked.timeout_seconds, asked.description,
    )  # fmt: skip
    written = await make(call, address, command, secret)
    answer = SecretAnswer(address.key, written.position, secret if written.changed else "")
    return reply(answer, 201 if written.changed else 200, written_headers(written.position))


async def make(call: Call, address: Address, command: CreateWebhook, secret: str) -> Written:
    """Create it when its address may be connected to; ``secret`` "" is none."""
    await call.gateway.require_workspace(address.workspace)
    check_url(command.url)
    if secret:
        signing_key(command.body, secret)
    if (known := await made_before_sealing(call, address, command)) is not None:
        return Written(known.position, known.version, changed=False)
    await check_room(call)
    await check_address(call, command.url)
    plain = await with_sealed_address(call.gateway, address, command)
    if not secret:
        return await sent(
            call.gateway, plain.sealed, lambda: call.gateway.commands.send(address, plain, call.context())
        )
    return await sent(call.gateway, plain.sealed, lambda: send_with(call, address, plain, secret))


async def made_before_sealing(call: Call, address: Address, command: CreateWebhook) -> Resource | None:
    """The webhook that ``command`` asks for, where an earlier release made it: its address is in the log as it is, so
    that the registry, which is told of sealed ones, could not see that it is the same."""
    found = await call.gateway.find_now(address)
    webhook = WEBHOOK.states.decode(found.state) if found else Webhook()
    is_same = webhook.status in ("active", "paused") and webhook.sealed is None and is_made_by(webhook, command)
    return found if is_same else None


async def send_with(
    call: Call, address: Address, command: CreateWebhook | UpdateWebhook | RotateSecret, secret: str
) -> Written:
    """Carry out ``command`` with the id of ``secret``, which is forgotten again when that changes nothing."""
    id = sealed(call, address, secret)
    try:
        said = msgspec.structs.replace(command, secret=id)
        written = await call.gateway.commands.send(address, said, call.context())
    except Refused:
        unseal(call, address, id)
        raise
    if not written.changed:
        unseal(call, address, id)
    return written


async def change(call: Call, found: Resource, command: UpdateWebhook, secret: str | None) -> Written:
    """Update a webhook; ``secret`` None leaves the one it has, "" takes it away."""
    address, before = Address(found.workspace, found.kind, found.name), WEBHOOK.states.decode(found.state)
    plain = await with_sealed_address(call.gateway, address, command)

    async def send() -> Written:
        if secret:
            return await send_with(call, address, plain, secret)
        said = msgspec.structs.replace(plain, secret=secret)
        return await call.gateway.commands.send(address, said, call.context())

    written = await sent(call.gateway, plain.sealed, send)
    if plain.sealed:
        await forget_address(call.gateway, before, written)
    if secret is not None and written.changed and before.secret:
        unseal(call, address, before.secret)
    return written


async def check_address(call: Call, url: str) -> queries.AddressAnswer:
    """``Refused("address.forbidden")`` when it leads to where we may not connect."""
    return await ask_notifier(call, "check", queries.AddressCheck(url), queries.AddressAnswer)


async def check_room(call: Call) -> None:
    known = await call.gateway.reader.read(lambda db: with_status(db, WEBHOOK.kind, ["active", "paused"]))
    if len(known) >= WEBHOOKS_MAX:
        raise Refused("webhook.too_many", f"there are {WEBHOOKS_MAX} webhooks already; delete one first")


async def rotate_secret(call: Call) -> Response:
    """A new secret, signed with from now on; deliveries have the signature of the old one too while they overlap."""
    asked, found, secret = await call.json(Rotation), await present(call), new_secret()
    before = WEBHOOK.states.decode(found.state)
    overlap = asked.overlap_seconds
    if overlap is None:
        overlap = 0 if before.body == "mlflow" else OVERLAP_SECONDS
    until = now() + timedelta(seconds=overlap) if overlap else None
    address = Address(found.workspace, found.kind, found.name)
    written = await send_with(call, address, RotateSecret("", until), secret)
    for id in {before.previous, before.secret if until is None else ""} - {""}:
        unseal(call, address, id)
    answer = RotationAnswer(found.name, written.position, secret, until)
    return reply(answer, headers=written_headers(written.position))


async def replay_webhook(call: Call) -> Response:
    """Refused beyond the head of the log: the webhook would be told nothing until the log gets there."""
    asked, found = await call.json(Replay), await present(call)
    command = ReplayWebhook(await since_of(call, asked.since), asked.request)
    address = Address(found.workspace, found.kind, found.name)
    written = await call.gateway.commands.send(address, command, call.context())
    return command_reply(written, found.name)


async def since_of(call: Call, since: int | str) -> int:
    """A position of this log, which a number is taken to be. ``Refused("position.other_log")`` beyond its end, and for
    an id of another log."""
    lineage = call.gateway.hub.lineage
    place = read_id(since) if isinstance(since, str) else Place(lineage.current, since, 0)
    if place is None:
        raise Refused("request.malformed", f"since is {str(since)[:40]!r}; it must be a position or an event's id")
    check_common(lineage, place, await call.gateway.log.head(), "since")
    return place.position


async def test_webhook(call: Call) -> Response:
    found = await present(call)
    return reply(await send_test(call, queries.TestQuery(found.workspace, found.name, found.position)))


async def send_test(call: Call, query: queries.TestQuery) -> queries.TestAnswer:
    return await ask_notifier(call, "test", query, queries.TestAnswer, TEST_TIMEOUT_SECONDS)


async def delivery(call: Call) -> Response:
    return reply(await ask_notifier(call, "delivery", await existing(call), queries.DeliveryAnswer))


async def dead_letters(call: Call) -> Response:
    page, one = call.query(DeadPage), await existing(call)
    query = queries.DeadQuery(one.workspace, one.name, one.position, page.limit, page.page)
    return reply(await ask_notifier(call, "dead", query, queries.DeadAnswer))


async def redeliver(call: Call) -> Response:
    ids, one = (await call.json(RedeliverRequest)).ids, await existing(call)
    query = queries.RedeliverQuery(one.workspace, one.name, one.position, ids)
    return reply(await ask_notifier(call, "redeliver", query, queries.RedeliverAnswer))


def address_in(call: Call) -> Address:
    return Address(call.workspace, WEBHOOK.kind, checked_name(call.params["key"]))


async def existing(call: Call) -> queries.WebhookQuery:
    found = await present(call)
    return queries.WebhookQuery(found.workspace, found.name, found.position)


async def present(call: Call) -> Resource:
    address = address_in(call)
    found = await call.gateway.find_now(address)
    if found is None or found.status == "deleted":
        raise Refused("webhook.absent", f"there is no webhook {address.key!r}")
    return found


async def ask_notifier(call: Call, name: str, query: Struct, type: type[T], timeout_seconds: float = 10.0) -> T:
    found: Any = await question(call.gateway.client, name, query, type, timeout_seconds=timeout_seconds, to="hook")
    return found  # type: ignore[no-any-return]


def sealed(call: Call, address: Address, secret: str) -> str:
    """Keep the secret outside the log; the id under which it is found."""
    id = new_id()
    webhook_secrets(call.gateway.home).put(secret_name(address.workspace, address.key, id), secret.encode())
    return id


def unseal(call: Call, address: Address, id: str) -> None:
    webhook_secrets(call.gateway.home).remove(secret_name(address.workspace, address.key, id))
