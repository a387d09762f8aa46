"""Webhooks over HTTP: what is more than a command, because of the secret or because the notifier has the answer."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct
from starlette.responses import Response

from treering.adapters.bus import question
from treering.adapters.webhook_secrets import secret_name, webhook_secrets
from treering.domain import kind_named
from treering.domain.webhook import WEBHOOK, Body, CreateWebhook, UpdateWebhook, check_url
from treering.kernel.clock import new_id
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, checked_name
from treering.kernel.webhook_signature import key_of, new_secret
from treering.views import webhook_queries as queries
from treering.views.states import with_status
from treering_services.gateway.call import Call, reply, written_headers

WEBHOOKS_MAX = 500
TEST_TIMEOUT_SECONDS = 40.0
Position = Annotated[int, Meta(ge=0, le=2**53)]
T = TypeVar("T")


class NewWebhook(Struct, frozen=True, forbid_unknown_fields=True):
    """``since``: the position behind which it begins; left out, with what comes now. ``secret``: left out, one is
    made. ``kind``, ``resource`` (a name of that kind) and ``types`` choose the events; empty is all of the workspace.
    """

    name: str
    url: str
    kind: str = ""
    resource: str = ""
    types: list[str] = []
    body: Body = "cloudevents"
    since: Position | None = None
    attempts_max: int = 8
    timeout_seconds: int = 10
    description: str = ""
    secret: str = ""


class SecretAnswer(Struct, frozen=True):
    """``secret`` is shown this once; "" when nothing was made because the webhook was there already."""

    name: str
    position: int
    secret: str


class RedeliverRequest(Struct, frozen=True, forbid_unknown_fields=True):
    ids: list[str] = []


class DeadPage(Struct, frozen=True, forbid_unknown_fields=True):
    limit: queries.Limit = 100
    page: str = ""


async def create_webhook(call: Call) -> Response:
    """The secret is sealed before the log says that there is a webhook which needs it."""
    asked = await call.json(NewWebhook)
    address = Address(call.workspace, WEBHOOK.kind, checked_name(asked.name))
    await call.gateway.require_workspace(address.workspace)
    check_url(asked.url)
    if asked.kind:
        kind_named(asked.kind)
    secret = asked.secret or new_secret()
    key_of(secret)
    await check_room(call)
    await ask_notifier(call, "check", queries.AddressCheck(asked.url), queries.AddressAnswer)
    since = await call.gateway.log.head() if asked.since is None else asked.since
    id = sealed(call, address, secret)
    command = CreateWebhook(
        asked.url, since, asked.kind, asked.resource, asked.types, asked.body, asked.attempts_max,
        asked.timeout_seconds, asked.description, id,
    )  # fmt: skip
    try:
        written = await call.gateway.commands.send(address, command, call.context())
    except Refused:
        unseal(call, address, id)
        raise
    if not written.changed:
        unseal(call, address, id)
        secret = ""
    answer = SecretAnswer(address.key, written.position, secret)
    return reply(answer, 201 if written.changed else 200, written_headers(written.position))


async def check_room(call: Call) -> None:
    known = await call.gateway.reader.view.read(lambda db: with_status(db, WEBHOOK.kind, ["active", "paused"]))
    if len(known) >= WEBHOOKS_MAX:
        raise Refused("webhook.too_many", f"there are {WEBHOOKS_MAX} webhooks already; delete one first")


async def rotate_secret(call: Call) -> Response:
    """A new secret, signed with from now on."""
    address = address_in(call)
    secret = new_secret()
    id = sealed(call, address, secret)
    try:
        written = await call.gateway.commands.send(address, UpdateWebhook(secret=id), call.context())
    except Refused:
        unseal(call, address, id)
        raise
    return reply(SecretAnswer(address.key, written.position, secret), headers=written_headers(written.position))


async def test_webhook(call: Call) -> Response:
    query = await existing(call)
    return reply(await ask_notifier(call, "test", query, queries.TestAnswer, TEST_TIMEOUT_SECONDS))


async def delivery(call: Call) -> Response:
    return reply(await ask_notifier(call, "delivery", await existing(call), queries.DeliveryAnswer))


async def dead_letters(call: Call) -> Response:
    page, one = call.query(DeadPage), await existing(call)
    query = queries.DeadQuery(one.workspace, one.name, page.limit, page.page)
    return reply(await ask_notifier(call, "dead", query, queries.DeadAnswer))


async def redeliver(call: Call) -> Response:
    ids, one = (await call.json(RedeliverRequest)).ids, await existing(call)
    query = queries.RedeliverQuery(one.workspace, one.name, ids)
    return reply(await ask_notifier(call, "redeliver", query, queries.RedeliverAnswer))


def address_in(call: Call) -> Address:
    return Address(call.workspace, WEBHOOK.kind, checked_name(call.params["key"]))


async def existing(call: Call) -> queries.WebhookQuery:
    address = address_in(call)
    found = await call.gateway.get(address)
    if found.status == "deleted":
        raise Refused("webhook.absent", f"there is no webhook {address.key!r}")
    return queries.WebhookQuery(address.workspace, address.key)


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
