"""Names and subjects: which names exist, and where each resource's events live on the bus.

An aggregate's address is (workspace, kind, key); its subject is ``evt.<workspace>.<kind>.<key>``.
A ``.`` in a name is allowed and travels as ``%2E``, because NATS reads ``.`` as a separator.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from treering.kernel.refusal import Refused

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
NAME_CHARACTERS_MAX = 255


class Address(NamedTuple):
    """Which aggregate: the workspace it lives in, its kind, and its key (a name, or ``name:version``)."""

    workspace: str
    kind: str
    key: str

    @property
    def subject(self) -> str:
        return f"evt.{encode_token(self.workspace)}.{self.kind}.{encode_token(self.key)}"

    def __str__(self) -> str:
        return f"{self.kind}/{self.key}"


@lru_cache(4096)
def address_of(subject: str) -> Address:
    """The address whose ``subject`` this is; ValueError when it is not one. Each view asks for each commit."""
    prefix, workspace, kind, key = subject.split(".")
    if prefix != "evt":
        raise ValueError(f"{subject!r} is not an event subject")
    return Address(decode_token(workspace), kind, decode_token(key))


def address_or_none(subject: str) -> Address | None:
    """The resource whose subject this is; None for any other text, which others may have put into the stream."""
    try:
        subject.encode()  # The server takes any bytes; what is no text is the name of nothing.
        return address_of(subject)
    except ValueError:
        return None


def address_said(subject: str) -> str:
    """``kind/name`` of the resource of a subject, or the subject when it is none of a resource."""
    return str(address_or_none(subject) or subject)


def plural(kind: str) -> str:
    """A kind as it is called in paths: jobs, witnesses."""
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def singular(said: str) -> str:
    """The kind that somebody called so, in paths (jobs) or in events (job)."""
    if said.endswith("sses"):
        return said.removesuffix("es")
    return said if said.endswith("ss") else said.removesuffix("s")


def encode_token(name: str) -> str:
    return name.replace("%", "%25").replace(".", "%2E") if "." in name or "%" in name else name


def decode_token(token: str) -> str:
    return token.replace("%2E", ".").replace("%25", "%") if "%" in token else token


def checked_name(name: str, what: str = "name") -> str:
    """Return ``name`` if a resource may be called so, else raise ``Refused("name.invalid")``."""
    if len(name) > NAME_CHARACTERS_MAX:
        raise Refused("name.invalid", f"{what} has {len(name)} characters, at most {NAME_CHARACTERS_MAX} are allowed")
    if not NAME.fullmatch(name):
        raise Refused(
            "name.invalid",
            f"{what} {name[:80]!r} is not allowed: use letters, digits, '-', '_' and '.', "
            "starting with a letter, a digit or '_'",
        )
    return name
