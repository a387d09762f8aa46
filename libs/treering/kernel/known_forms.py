"""Finds keys and tokens by the forms that their makers gave them, in any text, and takes them out.

``ghp_...``, a signed token, a private key in PEM, a connection string, a header with a login, a line of netrc, the
address of a webhook whose path is its secret. What a shell or a template fills in later (``$TOKEN``) is no secret yet.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import NamedTuple

MASK = "***"
FOLDED = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Form(NamedTuple):
    """``mark`` is in the text of the form, in lower case, ``before`` characters behind the place where ``pattern``
    matches; what the group ``kept`` matches is no secret."""

    mark: str
    pattern: re.Pattern[str]
    before: int = 0


def form(mark: str, pattern: str, kept: str = "", *, cased: bool = False, before: int = 0) -> Form:
    flags = re.DOTALL if cased else re.DOTALL | re.IGNORECASE
    return Form(mark, re.compile(f"(?P<kept>{kept}){pattern}", flags), before)


def token(mark: str, pattern: str) -> Form:
    return form(mark, rf"(?<![A-Za-z0-9_]){pattern}", cased=True)


LITERAL = r"[^\s$<{*%;\"'][^\s;\"']{2,}"  # a value that stands there, and no variable in its place
KEY = "[A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
FORMS = (
    *(token(f"gh{letter}_", rf"gh{letter}_[A-Za-z0-9]{{20,}}") for letter in "opsur"),
    token("github_pat_", r"github_pat_\w{20,}"),
    token("glpat-", r"glpat-[\w-]{20,}"),
    token("akia", r"AKIA[0-9A-Z]{16}(?!\w)"),
    token("asia", r"ASIA[0-9A-Z]{16}(?!\w)"),
    token("xox", r"xox[abprs]-[\w-]{10,}"),
    token("hf_", r"hf_[A-Za-z0-9]{30,}"),
    token("sk-", r"sk-(?:proj-|ant-)?[A-Za-z0-9]{32,}"),
    token("sk_live_", r"sk_live_[A-Za-z0-9]{16,}"),
    token("rk_live_", r"rk_live_[A-Za-z0-9]{16,}"),
    token("aiza", r"AIza[\w-]{35}"),
    token("dapi", r"dapi[0-9a-f]{32}"),
    token("npm_", r"npm_[A-Za-z0-9]{30,}"),
    token("pypi-ag", r"pypi-Ag[\w-]{50,}"),
    token("eyj", r"eyJ[\w-]{10,400}\.eyJ[\w-]{10,}\.[\w-]+"),
    form("q~", r"(?<![\w~.-])[\w~.-]{3}[0-9]Q~[\w~.-]{31,34}(?![\w~.-])", cased=True, before=4),
    form("-----begin ", rf"-----BEGIN {KEY}(?:.*?-----END {KEY}|.*)", cased=True),
    form("accountkey=", r"[A-Za-z0-9+/]{20,}={0,2}", "AccountKey="),
    form("sharedaccesskey=", r"[A-Za-z0-9+/]{20,}={0,2}", "SharedAccessKey="),
    form("sig=", r"[A-Za-z0-9+/%][^\s&\"';]{5,}", "(?<=[?&])sig="),
    form("aws_secret_access_key", r"[A-Za-z0-9+/]{20,}", r"aws_secret_access_key[\"']?\s{0,8}[=:]\s{0,8}[\"']?"),
    form("pwd", LITERAL, r"(?<=;)pwd\s{0,8}=\s{0,8}"),
    form("password", LITERAL, r"(?<=;)password\s{0,8}=\s{0,8}"),
    form(
        "authorization",
        r"[A-Za-z0-9+/=_.~-]{8,}",
        r"authorization[\"']?\s{0,8}[=:]\s{0,8}[\"']?(?:basic|bearer|token)\s{1,8}",
    ),
    form("machine", LITERAL, r"(?<!\w)machine\s{1,8}\S{1,255}\s{1,8}(?:login\s{1,8}\S{1,255}\s{1,8})?password\s{1,8}"),
    form('"auth"', r"[A-Za-z0-9+/=]{8,}", r"\"auth\"\s{0,8}:\s{0,8}\""),
    form("hooks.slack", r"[A-Za-z0-9][\w/-]{7,}", r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/"),
    form("discord", r"[A-Za-z0-9][\w-]{7,}", r"discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d{1,30}/"),
    form("api.telegram.org/", r"\d{1,20}:[\w-]{8,}", r"api\.telegram\.org/(?:file/)?bot"),
    form(".webhook.office.com/", r"[A-Za-z0-9][^\s?#\"']{7,}", r"\.webhook\.office\.com/webhookb2/"),
    form("anaconda.", r"[A-Za-z0-9][\w-]{5,}", r"anaconda\.(?:org|cloud|com)/t/"),
)


def is_known(text: str) -> bool:
    """Whether a text has a key or token of a known form in it."""
    return next(spans(text), None) is not None


def without_known(text: str) -> str:
    """``text`` with ``***`` for each of them; the same object when there are none."""
    parts, at = [], 0
    for start, end in sorted(spans(text)):
        if end > at:
            parts += [text[at : max(at, start)], MASK]
            at = end
    return "".join([*parts, text[at:]]) if parts else text


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Where they stand. Looked for by their marks first, because most texts have none."""
    folded = text.lower()
    if len(folded) != len(text):  # a letter that is two in lower case
        folded = text.translate(FOLDED)
    for one in FORMS:
        at = folded.find(one.mark)
        while at >= 0:
            found = one.pattern.match(text, max(0, at - one.before))
            if found:
                yield found.end("kept"), found.end()
            at = folded.find(one.mark, max(found.end() if found else 0, at + 1))
