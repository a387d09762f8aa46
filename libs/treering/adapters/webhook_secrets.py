"""Where the secrets of webhooks are: sealed files below the keys of the home, never in the log."""

from __future__ import annotations

from treering.adapters.sealed_store import SealedStore
from treering.adapters.sealed_values import SealedValues
from treering.adapters.tokens import TokenUnsafe
from treering.adapters.webhook_addresses import address_fault
from treering.config import Home
from treering.domain.webhook import WEBHOOK
from treering.kernel.file_names import file_name
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address, encode_token
from treering.views.states import Resource


def webhook_secrets(home: Home) -> SealedStore:
    return SealedStore(home.keys / "webhooks", home.keys / "webhook-seal.key")


def secret_fault(home: Home, found: Resource) -> str:
    """Why the webhook ``found`` cannot sign or be reached, and so is told nothing; "" when it can."""
    webhook = WEBHOOK.states.decode(found.state)
    if webhook.status == "deleted":
        return ""
    if why := address_fault(SealedValues(home), Address(found.workspace, found.kind, found.name), webhook):
        return why
    if not webhook.secret:
        return ""
    path = webhook_secrets(home).path(secret_name(found.workspace, found.name, webhook.secret))
    advice = "nothing is delivered until it can: put it back from a backup, or `treering webhook rotate-secret`"
    if not path.exists():
        return f"its secret {path.name} is gone; {advice}"
    try:
        webhook_secrets(home).get(path.stem)
    except (Refused, TokenUnsafe) as error:
        said = error.detail if isinstance(error, Refused) else str(error)
        return f"its secret cannot be opened: {said}; {advice}"
    return ""


def secret_name(workspace: str, webhook: str, id: str) -> str:
    """The name of one secret of a webhook; it is bound into the seal."""
    return f"{file_name(f'{encode_token(workspace)}.{encode_token(webhook)}')}.{id}"
