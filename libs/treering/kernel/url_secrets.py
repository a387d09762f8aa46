"""Finds what is secret in the addresses within a text, and takes it out: user and password, signatures, tokens.

Only what stands in an address counts (``https://user:password@host``, ``?sig=...``). What a shell or a template fills
in later (``$TOKEN``, ``${{inputs.token}}``) is no secret yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote_plus

SCHEME_CHARACTERS_MAX = 32
DECODINGS_MAX = 3  # an address within an address, encoded, as often as anybody would
CODE_CHARACTERS_MIN, KEY_CHARACTERS_MIN = 8, 16  # shorter ones are words: ?code=US, ?key=name
# Up to the next address of a list: https://a.example,https://b.example
AFTER_SLASHES = re.compile(r"""(?P<slashes>(?:\\?/){2})(?P<rest>(?:(?![,;|][\w+.\-]{1,32}:(?:\\?/){2})[^\s"'<>])+)""")
# A host, and then no more of the address: what a list or a sentence goes on with, such as https://a.example,me@b.example
ONLY_A_HOST = re.compile(r"(?:(?:[\w-]+\.)+[a-z]{2,}(?::\d{1,5})?[,;|]|[\w.-]+[,;|]\w+=)", re.IGNORECASE)
SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*:\Z", re.IGNORECASE)
AUTHORITY = re.compile(r"[^/?#\\]*")
PARAMETER = re.compile(r"(&amp;|[?&;#])([^?&;#=]*)=([^?&;#]*)")
ENCODED_SLASHES = re.compile(r"%(?:25)*2f%(?:25)*2f", re.IGNORECASE)
LATER = re.compile(r"\$\{\{.*\}\}|\$\{[^}]*\}|\$\([^)]*\)|\$\w+|%\w+%|\{+[\w.]*\}+|\*+|", re.ASCII)
PLACEHOLDER = "@host:port"  # an address that shows how one is written, and leads nowhere
NUMBER = re.compile(r"\d*\Z")
BESIDE_NAMES = re.compile(r"[-_.\s\[\]]|\d+\Z")
SECRET_ENDS = (
    "signature", "token", "secret", "password", "passwd", "passphrase", "pwd", "apikey", "accesskey", "accesskeyid",
    "privatekey", "secretkey", "accountkey", "sharedkey", "subscriptionkey", "functionskey", "credential",
    "credentials", "authorization",
)  # fmt: skip
SECRET_NAMES = frozenset({"sig", "sas", "jwt", "auth", "pass", "pw", "bearer", "hmac"})
NO_SECRETS = frozenset({"pagetoken", "nextpagetoken", "nexttoken", "continuationtoken", "nextcontinuationtoken"})
NO_PASSWORD_SCHEMES = ("", "http", "https")  # where a user without a password is a token; elsewhere it is a name


class Found(NamedTuple):
    """One address in a text: where it is, what it becomes without its secrets, and what the first of these is."""

    start: int
    end: int
    plain: str
    what: str


def secret_in(text: str) -> str:
    """What is secret in the first address that holds something, for a sentence; "" when nothing is."""
    return next((found.what for found in addresses(text) if found.what), "")


def without_secrets(text: str) -> str:
    """``text`` with the secret parts of its addresses left out; the same object when there are none."""
    parts, at = [], 0
    for found in addresses(text):
        if found.what:
            parts += [text[at : found.start], found.plain]
            at = found.end
    return "".join([*parts, text[at:]]) if parts else text


def addresses(text: str, decodings: int = 0) -> Iterator[Found]:
    if decodings < DECODINGS_MAX and ENCODED_SLASHES.search(text) and "//" not in text:
        decoded = unquote_plus(text)
        if what := next((one.what for one in addresses(decoded, decodings + 1) if one.what), ""):
            yield Found(0, len(text), without_secrets(decoded), what)
            return
    for match in AFTER_SLASHES.finditer(text):
        before = SCHEME.search(text[max(0, match.start() - SCHEME_CHARACTERS_MAX) : match.start()])
        scheme = before[0][:-1].lower().rpartition("+")[2] if before else ""
        plain, what = without(scheme, match["rest"], decodings)
        yield Found(match.start(), match.end(), match["slashes"] + plain, what)


def without(scheme: str, rest: str, decodings: int) -> tuple[str, str]:
    """What stands behind the slashes, without its secrets, and what the first of these is."""
    user_end, what = secret_user(scheme, rest), ""
    if user_end:
        rest, what = rest[user_end:], "a user name, password or token before the '@'"

    def left(parameter: re.Match[str]) -> str:
        nonlocal what
        if not is_secret_parameter(parameter[2], parameter[3], decodings):
            return parameter[0]
        what = what or f"the parameter {decoded_name(parameter[2])[:60]!r}"
        return parameter[1] + "\0"

    rest = PARAMETER.sub(left, rest)
    return tidy(rest) if "\0" in rest else rest, what


def tidy(rest: str) -> str:
    """Without the separators of what was left out (each is followed by NUL)."""
    rest = re.sub(r"([?#])\0(?:(?:&amp;|[&;])\0)*(?:&amp;|[&;])(?!\0)", r"\1", rest)
    return re.sub(r"(?:&amp;|[?&;#])?\0", "", rest)


def secret_user(scheme: str, rest: str) -> int:
    """Where the host begins when something secret stands before it, else 0."""
    authority = AUTHORITY.match(rest)
    assert authority is not None  # it may be empty
    if authority[0].endswith(PLACEHOLDER) or ONLY_A_HOST.match(rest):
        return 0
    at = authority[0].rfind("@") + 1
    user, colon, password = authority[0][: at - 1].partition(":") if at else authority[0].partition(":")
    if not at:  # a password with a slash in it: what looks like a port is none
        at = rest.find("@") + 1
        is_port = NUMBER.match(password) or user.startswith("[") or LATER.fullmatch(password)
        return 0 if not at or not colon or is_port else at
    if colon and not LATER.fullmatch(password):
        return at
    if scheme not in NO_PASSWORD_SCHEMES or LATER.fullmatch(user) or user == "git":
        return 0
    return 0 if f"/{user}/" in f"{rest[at:]}/" else at  # https://org@dev.azure.com/org/project: a name


def is_secret_parameter(name: str, value: str, decodings: int) -> bool:
    if not value or LATER.fullmatch(value):
        return False
    word = BESIDE_NAMES.sub("", BESIDE_NAMES.sub("", decoded_name(name)).lower())
    if word in SECRET_NAMES or (word.endswith(SECRET_ENDS) and word not in NO_SECRETS):
        return True
    if (word == "code" and len(value) >= CODE_CHARACTERS_MIN) or (word == "key" and len(value) >= KEY_CHARACTERS_MIN):
        return True
    if decodings >= DECODINGS_MAX or "%" not in value:
        return False
    return any(found.what for found in addresses(unquote_plus(value), decodings + 1))


def decoded_name(name: str) -> str:
    for _ in range(DECODINGS_MAX):
        if "%" not in name:
            break
        name = unquote_plus(name)
    return name.strip()
