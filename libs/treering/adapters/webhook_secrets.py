"""Where the secrets of webhooks are: sealed files below the keys of the home, never in the log."""

from __future__ import annotations

from treering.adapters.sealed_store import SealedStore
from treering.config import Home
from treering.kernel.subjects import encode_token


def webhook_secrets(home: Home) -> SealedStore:
    return SealedStore(home.keys / "webhooks", home.keys / "webhook-seal.key")


def secret_name(workspace: str, webhook: str, id: str) -> str:
    """The name of one secret of a webhook; it is bound into the seal."""
    return f"{encode_token(workspace)}.{encode_token(webhook)}.{id}"
