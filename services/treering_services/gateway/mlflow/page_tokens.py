"""Page tokens as MLflow makes them: base64 of ``{"offset": n}``, opaque to clients and judged when they come back."""

from __future__ import annotations

import base64
import binascii

import msgspec
from msgspec import Struct

from treering_services.gateway.mlflow.errors import invalid

OFFSET_MAX = 2**53
CHARACTERS_MAX = 256 * 1024  # those of logged models say the whole search


class Place(Struct, frozen=True):
    offset: int


def offset_of(token: str) -> int:
    """Where the page begins, 0 for no token; MlflowError for a token that nobody was given."""
    if not token:
        return 0
    decoded = token_bytes(token)
    try:
        offset = msgspec.json.decode(decoded, type=Place, strict=False).offset
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise invalid(f"Invalid page token, decoded value={decoded[:100]!r}") from None
    if not 0 < offset <= OFFSET_MAX:
        raise invalid(f"Invalid page token, parsed value={offset}")
    return offset


def token_bytes(token: str) -> bytes:
    try:
        if len(token) > CHARACTERS_MAX:
            raise ValueError
        return base64.b64decode(token, validate=True)
    except (ValueError, binascii.Error):
        raise invalid("Invalid page token, could not base64-decode") from None


def token_of(value: Struct) -> str:
    return base64.b64encode(msgspec.json.encode(value)).decode()


def next_token(offset: int, limit: int, found: int) -> str:
    """The token of the page after this one; "" when one more than ``limit`` was asked for and did not come."""
    return token_of(Place(offset + limit)) if found > limit else ""
