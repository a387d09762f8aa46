"""Where webhooks lead: the address is a secret (Slack's and Teams' hold a token in the path), sealed as one."""

from __future__ import annotations

from urllib.parse import urlsplit

from treering.adapters.sealed_values import SealedValues
from treering.domain.webhook import Webhook
from treering.kernel.refusal import Refused
from treering.kernel.subjects import Address

ADDRESS = "url"  # what it is called among the sealed values


def shown_address(url: str) -> str:
    """What the log and every list hold of it: scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def whole_address(values: SealedValues, address: Address, webhook: Webhook) -> str:
    """Where to deliver to; that of a webhook of an earlier release is in the log. ``Refused``:
    ``webhook.address_missing``, ``secret.damaged``."""
    if webhook.sealed is None:
        return webhook.url
    try:
        return values.open(address, webhook.sealed)[ADDRESS]
    except (Refused, KeyError) as error:
        if isinstance(error, Refused) and error.code != "secret.missing":
            raise
        why = f"the address of webhook {address.key!r} is not here (a restore without keys?), so it would tell nobody"
        raise Refused("webhook.address_missing", f"{why}: `treering webhook update --url` gives it again") from None


def address_fault(values: SealedValues, address: Address, webhook: Webhook) -> str:
    """Why the webhook cannot be delivered to; "" when it can."""
    try:
        whole_address(values, address, webhook)
    except Refused as refused:
        return refused.detail
    return ""
