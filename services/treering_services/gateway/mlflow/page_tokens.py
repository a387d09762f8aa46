"""Page tokens as MLflow makes them: base64 of ``{"offset": n}``, opaque to clients and judged when they come back."""

from __future__ import annotations

import base64
import binascii

import msgspec
from msgspec import Struct

from treering.kernel.bounds import Position
from treering_services.gateway.mlflow.errors import invalid

OFFSET_MAX = 2**53
CHARACTERS_MAX = 256 * 1024  # those of logged models say the whole search


class Place(Struct, frozen=True):
    offset: Position


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


def next_token(offset: int, taken: int, found: int) -> str:
    """The token of the page after this one, which took ``taken`` of those found from ``offset`` on; "" when that is all
    of them, one more than the page may hold having been asked for."""
    return token_of(Place(offset + taken)) if found > taken else ""
