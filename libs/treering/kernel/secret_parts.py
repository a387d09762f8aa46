"""Which texts inside a secret value are secrets by themselves: a password in a URL, a key in a connection string.

A library that fails prints the part, not the value it was given.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from treering.kernel.secret_names import SECRET_NAME

CHARACTERS_MIN = 6
FROM_URL_SAFE = str.maketrans("-_", "+/")
DEPTH_MAX = 8
# Names of fields that hold a secret although they would say nothing as the name of an environment variable.
FIELD = re.compile(r"^(auth|pwd|pass|sig|signature|code|accountkey|sharedaccess(key|signature))$", re.IGNORECASE)
SCHEME = re.compile(r"(?:basic|bearer|token|apikey)\s+(\S+)", re.IGNORECASE)
# A signed token (JWT, a token of a job): its end is the signature.
SIGNED = re.compile(r"[\w~+/=-]+(?:\.[\w~+/=-]+)*\.([\w~+/=-]{20,})")


def is_maskable(text: str) -> bool:
    """Whether a text is long enough: shorter ones stand in too many places that have nothing to do with the secret."""
    return len(text.strip()) >= CHARACTERS_MIN


def texts_of(value: str) -> set[str]:
    """The value, each of its lines, and the secrets within; without those that are too short to be masked."""
    found: set[str] = set()
    for text in (value, *decoded(value)):
        lines = {text.strip(), *(line.strip() for line in text.splitlines())}
        found |= lines
        found.update(part for line in lines for part in parts(line))
        found.update(in_json(text))
    return {text for text in found if is_maskable(text)}


def decoded(value: str) -> Iterator[str]:
    """What a program makes of a value that is written in another way, as keys and whole files in a variable are."""
    if "\\n" in value:
        yield value.replace("\\r", "").replace("\\n", "\n")
    if "%" in value:
        yield unquote(value)
    with suppress(ValueError):
        text = b64decode("".join(value.split()).translate(FROM_URL_SAFE), validate=True).decode()
        if text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
            yield text


def parts(text: str) -> Iterator[str]:
    if match := SCHEME.fullmatch(text):
        yield match[1]
    if match := SIGNED.fullmatch(text):
        yield match[1]
    if "://" in text:
        yield from in_url(text)
    if "=" in text:
        for field in re.split(r"[;&\s]", text):
            name, _, value = field.partition("=")
            if is_field(name.strip()):
                yield value.strip().strip("'\"")


def in_url(text: str) -> Iterator[str]:
    with suppress(ValueError):  # no URL after all
        url = urlsplit(text)
        if url.password:
            yield url.password
            yield unquote(url.password)
        for name, value in parse_qsl(url.query):
            if is_field(name):
                yield value


def in_json(text: str) -> Iterator[str]:
    if text.lstrip()[:1] in ("{", "["):
        with suppress(msgspec.DecodeError, RecursionError):
            yield from in_fields(msgspec.json.decode(text), DEPTH_MAX)


def in_fields(value: object, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str) and is_field(name):
                yield item.strip()
                yield from (line.strip() for line in item.splitlines())
            yield from in_fields(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            yield from in_fields(item, depth - 1)


def is_field(name: str) -> bool:
    return bool(SECRET_NAME.search(name) or FIELD.match(name))
