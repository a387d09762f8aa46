"""A webhook: an address that is told of every event of a selection, signed, until it has taken it.

    (absent) --created--> active --paused--> paused --resumed--> active
    active, paused --deleted--> deleted --created--> active

Its secret is never here: it lives in a sealed file outside the log. A secret that was rotated is signed with beside its
successor until ``previous_until``. How far the webhook has come is the notifier's to know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, assert_never
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from treering.domain.mlflow_events import selected
from treering.domain.sealed import Sealed, same_values
from treering.domain.webhook_messages import (
    ATTEMPTS_MAX,
    TEXT_CHARACTERS_MAX,
    TIMEOUT_SECONDS_MAX,
    TITLE_CHARACTERS_MAX,
    TYPE_CHARACTERS_MAX,
    TYPES_MAX,
    URL_CHARACTERS_MAX,
    Body,
    CreateWebhook,
    DeleteWebhook,
    PauseWebhook,
    ReplayWebhook,
    ResumeWebhook,
    RotateSecret,
    UpdateWebhook,
    WebhookCommand,
    WebhookCreated,
    WebhookDeleted,
    WebhookEvent,
    WebhookPaused,
    WebhookReplayRequested,
    WebhookResumed,
    WebhookSecretRotated,
    WebhookUpdated,
)
from treering.kernel.aggregate import Aggregate, Summary
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name


class Webhook(Struct, frozen=True, omit_defaults=True):
    """``replay`` is the last replay asked for, and ``since`` where it, or else the first delivery, begins.
    ``previous`` is the id of the secret before, when it is still signed with. ``url`` is the scheme and host of the
    address, which is ``sealed``; a webhook of an earlier release has it all in ``url``."""

    status: Literal["absent", "active", "paused", "deleted"] = "absent"
    url: str = ""
    since: int = 0
    kind: str = ""
    resource: str = ""
    types: list[str] = []
    body: Body = "cloudevents"
    attempts_max: int = 8
    timeout_seconds: int = 10
    description: str = ""
    secret: str = ""
    title: str = ""
    replay: str = ""
    previous: str = ""
    previous_until: datetime | None = None
    sealed: Sealed | None = None


def evolve(webhook: Webhook, event: WebhookEvent) -> Webhook:
    match event:
        case WebhookCreated():
            return Webhook("active", **msgspec.structs.asdict(event))
        case WebhookUpdated():
            new = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not None}
            if event.url is not None:  # sealed or not, it is the whole of the new address
                new["sealed"] = event.sealed
            return msgspec.structs.replace(webhook, **new)
        case WebhookSecretRotated():
            previous = webhook.secret if event.previous_until else ""
            return msgspec.structs.replace(
                webhook, secret=event.secret, previous=previous, previous_until=event.previous_until
            )
        case WebhookPaused():
            return msgspec.structs.replace(webhook, status="paused")
        case WebhookResumed():
            return msgspec.structs.replace(webhook, status="active")
        case WebhookReplayRequested():
            return msgspec.structs.replace(webhook, since=event.since, replay=event.request)
        case WebhookDeleted():
            return Webhook("deleted")
        case _:
            assert_never(event)


def decide(webhook: Webhook, command: WebhookCommand) -> list[WebhookEvent]:
    match command:
        case CreateWebhook():
            return create(webhook, command)
        case UpdateWebhook():
            return update(webhook, command)
        case RotateSecret():
            return rotate(webhook, command)
        case PauseWebhook():
            must_exist(webhook)
            return [WebhookPaused()] if webhook.status == "active" else []
        case ResumeWebhook():
            must_exist(webhook)
            return [WebhookResumed()] if webhook.status == "paused" else []
        case ReplayWebhook():
            return replay(webhook, command)
        case DeleteWebhook():
            if webhook.status == "absent":
                must_exist(webhook)
            return [WebhookDeleted()] if webhook.status != "deleted" else []
        case _:
            assert_never(command)


def create(webhook: Webhook, command: CreateWebhook) -> list[WebhookEvent]:
    check_url(command.url)
    check_types(command.types, command.body)
    check_numbers(command.attempts_max, command.timeout_seconds)
    check_texts(command.description, command.title)
    if command.since < 0:
        raise Refused("webhook.invalid", f"since is {command.since}; it must be a position, 0 or more")
    if command.resource and not command.kind:
        raise Refused("webhook.invalid", "resource needs kind: a name alone does not say of what")
    created = WebhookCreated(**{field: getattr(command, field) for field in WebhookCreated.__struct_fields__})
    if webhook.status in ("absent", "deleted"):
        return [created, WebhookPaused()] if command.paused else [created]
    if is_made_by(webhook, command) and same_values(webhook.sealed, command.sealed):
        return []
    raise Refused("webhook.exists", "a webhook of this name exists already; change it with update, or delete it first")


def is_made_by(webhook: Webhook, command: CreateWebhook) -> bool:
    """Whether it is what ``command`` asks for, as far as what is sealed does not say otherwise."""
    fields = set(WebhookCreated.__struct_fields__) - {"since", "secret", "sealed"}
    return all(getattr(webhook, name) == getattr(command, name) for name in fields)


def update(webhook: Webhook, command: UpdateWebhook) -> list[WebhookEvent]:
    must_exist(webhook)
    event = WebhookUpdated(**msgspec.structs.asdict(command))
    after = evolve(webhook, event)
    check_url(after.url)
    check_types(after.types, after.body)
    check_numbers(after.attempts_max, after.timeout_seconds)
    check_texts(after.description, after.title)
    if same_values(after.sealed, webhook.sealed):  # sealed once more
        after = msgspec.structs.replace(after, sealed=webhook.sealed)
    return [event] if after != webhook else []


def rotate(webhook: Webhook, command: RotateSecret) -> list[WebhookEvent]:
    must_exist(webhook)
    if webhook.body == "mlflow" and command.previous_until:
        raise Refused("webhook.invalid", "there is no overlap for MLflow's signature: its header holds one")
    changed = command.secret != webhook.secret
    return [WebhookSecretRotated(command.secret, command.previous_until)] if changed else []


def replay(webhook: Webhook, command: ReplayWebhook) -> list[WebhookEvent]:
    must_exist(webhook)
    checked_name(command.request, "request")
    if command.since < 0:
        raise Refused("webhook.invalid", f"since is {command.since}; it must be a position, 0 or more")
    return [WebhookReplayRequested(command.since, command.request)] if command.request != webhook.replay else []


def must_exist(webhook: Webhook) -> None:
    if webhook.status in ("absent", "deleted"):
        raise Refused("webhook.absent", "there is no webhook of this name")


def check_url(url: str) -> None:
    """Its form only: where it leads is found out when it is connected to."""
    refused = Refused("webhook.url_invalid", f"url is {url[:100]!r}; it must be http(s)://HOST[:PORT]/PATH, ASCII")
    if not url or len(url) > URL_CHARACTERS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise refused
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refused from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.fragment:
        raise refused
    if parts.username is not None or parts.password is not None:
        raise Refused("webhook.url_invalid", "url has a user or a password in it, which would stay in the log for ever")


def check_types(types: list[str], body: Body) -> None:
    if len(types) > TYPES_MAX:
        raise Refused("webhook.invalid", f"types has {len(types)} entries, at most {TYPES_MAX} are allowed")
    for one in types:
        if not 1 <= len(one) <= TYPE_CHARACTERS_MAX or "," in one:
            raise Refused("webhook.invalid", f"types has {one[:60]!r}; write an event type, or job.* for all of jobs")
        if body == "mlflow" and not selected([one]):
            raise Refused("webhook.invalid", f"types has {one[:60]!r}; MLflow has model_version.created and the like")


def check_numbers(attempts_max: int, timeout_seconds: int) -> None:
    for name, value, most in (
        ("attempts_max", attempts_max, ATTEMPTS_MAX),
        ("timeout_seconds", timeout_seconds, TIMEOUT_SECONDS_MAX),
    ):
        if not 1 <= value <= most:
            raise Refused("webhook.invalid", f"{name} is {value}; it must be 1 to {most}")


def check_texts(description: str, title: str) -> None:
    for name, value, most in (
        ("description", description, TEXT_CHARACTERS_MAX),
        ("title", title, TITLE_CHARACTERS_MAX),
    ):
        if len(value) > most:
            raise Refused("webhook.invalid", f"{name} has more than {most} characters")


def summary(webhook: Webhook) -> Summary:
    return Summary(webhook.status, archived=webhook.status == "deleted")


WEBHOOK: Aggregate[WebhookCommand, WebhookEvent, Webhook] = Aggregate(
    "webhook",
    state=Webhook,
    commands=WebhookCommand,
    events=WebhookEvent,
    decide=decide,
    evolve=evolve,
    summary=summary,
    told={
        "webhook.created": (
            "since",
            "kind",
            "resource",
            "types",
            "body",
            "attempts_max",
            "timeout_seconds",
            "title",
        ),
        "webhook.updated": ("types", "attempts_max", "timeout_seconds", "title"),
        "webhook.secret_rotated": ("previous_until",),
    },
)
