"""Which names, addresses and events MLflow's webhooks take, and how it says no (mlflow/utils/validation.py of 3.18)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from treering.domain.mlflow_events import KIND_OF
from treering_services.gateway.mlflow.errors import invalid
from treering_services.gateway.mlflow.webhook_messages import HookEvent

NAME_CHARACTERS_MAX = 63
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
SCHEMES = ("http", "https")
SHOWN_CHARACTERS_MAX = 200


def hook_name(name: str) -> str:
    if len(name) > NAME_CHARACTERS_MAX or not NAME.fullmatch(name):
        raise invalid(
            f"Webhook name {name[:SHOWN_CHARACTERS_MAX]!r} is invalid. It must start and end with a letter or digit, "
            "be less than 63 characters long, and contain only letters, digits, dots (.), underscores (_), and "
            "hyphens (-)."
        )
    return name


def hook_url(url: str) -> str:
    """``url`` if its form is right; where it leads is judged by others."""
    shown = repr(url[:SHOWN_CHARACTERS_MAX])
    if not url.strip():
        raise invalid(f"Webhook URL cannot be empty or just whitespace: {shown}")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise invalid(f"Invalid webhook URL {shown}: {error!r}") from None
    if parts.scheme not in SCHEMES:
        raise invalid(
            f"Invalid webhook URL scheme: {parts.scheme[:SHOWN_CHARACTERS_MAX]!r}. "
            f"Allowed schemes are: {', '.join(SCHEMES)}."
        )
    if not parts.hostname:
        raise invalid(f"Webhook URL must include a hostname: {shown}")
    return url


def event_names(events: Iterable[HookEvent]) -> list[str]:
    """Each once, in their order."""
    names = list(dict.fromkeys(event_name(event) for event in events))
    if not names:
        raise invalid("Webhook events must be a non-empty list of WebhookEvent objects: [].")
    return names


def event_name(event: HookEvent) -> str:
    name = f"{event.entity}.{event.action}".lower()
    if name in KIND_OF:
        return name
    if name == "budget_policy.exceeded":
        raise invalid("treering has no budget policies, so nothing would ever be told of budget_policy.exceeded")
    entity, action = event.entity.lower()[:SHOWN_CHARACTERS_MAX], event.action.lower()[:SHOWN_CHARACTERS_MAX]
    valid = sorted(one.partition(".")[2] for one in KIND_OF if one.partition(".")[0] == entity)
    raise invalid(f"Invalid action '{action}' for entity '{entity}'. Valid actions are: {valid}")
