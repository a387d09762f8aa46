"""Standard Webhooks (standard-webhooks, spec 1.0): webhook-id, -timestamp and -signature with HMAC-SHA256.

MLflow signs the same content the same way, under headers of its own and with any text as the secret
(mlflow/webhooks/delivery.py of 3.18); it has webhooks without a secret, which are not signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from treering.kernel.refusal import Refused

PREFIX = "whsec_"
SECRET_BYTES = 32
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
MLFLOW_SECRET_BYTES_MAX = 1000


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The bytes a secret stands for; ``Refused("webhook.secret_invalid")`` when it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        raise Refused(
            "webhook.secret_invalid",
            f"a secret is {PREFIX} and {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes in base64; left out, one is made",
        )
    return key


def signature_headers(keys: Sequence[bytes], id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """``timestamp`` in seconds since the epoch: of this attempt, so that an old message cannot be sent again.

    A signature for each of ``keys``, with blanks between: a receiver takes the message when one of them is right.
    """
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(key, id, timestamp, body) for key in keys),
    }


def mlflow_key_of(secret: str) -> bytes:
    """The bytes of a secret as MLflow reads it; ``Refused("webhook.secret_invalid")`` when it is too long."""
    key = secret.encode("utf-8", "replace")
    if not 1 <= len(key) <= MLFLOW_SECRET_BYTES_MAX or key.decode() != secret:
        raise Refused("webhook.secret_invalid", f"a secret is text of 1 to {MLFLOW_SECRET_BYTES_MAX} bytes")
    return key


def signing_key(body: str, secret: str) -> bytes:
    """What a webhook with this form of body signs with."""
    return mlflow_key_of(secret) if body == "mlflow" else key_of(secret)


def mlflow_headers(keys: Sequence[bytes], id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """As ``signature_headers``, for a sink that was written for MLflow: one signature, none without a key."""
    headers = {"X-MLflow-Delivery-Id": id, "X-MLflow-Timestamp": str(timestamp)}
    if keys:
        headers["X-MLflow-Signature"] = signature(keys[0], id, timestamp, body)
    return headers


def signature(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    signed = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"
