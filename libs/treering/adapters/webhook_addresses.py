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
    """Where to deliver to; that of a webhook of an earlier release is in the log. ``Refused``: ``secret.missing``,
    ``secret.damaged``."""
    found = values.open(address, webhook.sealed).get(ADDRESS, "") if webhook.sealed else webhook.url
    if not found:
        raise Refused("secret.missing", f"the address of {address} is not among what is sealed for it")
    return found


def address_fault(values: SealedValues, address: Address, webhook: Webhook) -> str:
    """Why the webhook cannot be delivered to; "" when it can."""
    try:
        whole_address(values, address, webhook)
    except Refused as refused:
        return f"{refused.detail.partition(';')[0]}; `treering webhook update --url` gives it its address again"
    return ""
