"""How a request's header says that its body is to be read: what we cannot do is refused, never passed over."""

from __future__ import annotations

from treering.kernel.refusal import Refused

CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
SHOWN_CHARACTERS_MAX = 80


def check_encoding(said: str) -> None:
    """``said``: the Content-Encoding. Raises ``Refused("request.content_encoding")`` for all but identity."""
    if said.strip().lower() not in ("", "identity"):
        why = f"Content-Encoding is {said[:SHOWN_CHARACTERS_MAX]!r}, and bodies are read as they come"
        raise Refused("request.content_encoding", f"{why}; send it unpacked, without Content-Encoding")


def media_type_of(said: str) -> str:
    """Of a Content-Type, in lower case. Raises ``Refused("request.media_type")`` for another charset than UTF-8: this
    is asked of texts only."""
    name, *parameters = said.split(";")
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if key.strip().lower() == "charset" and charset not in CHARSETS:
            why = f"Content-Type says charset {charset[:SHOWN_CHARACTERS_MAX]!r}, and texts are read as UTF-8"
            raise Refused("request.media_type", f"{why}; send UTF-8")
    return name.strip().lower()
