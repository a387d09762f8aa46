"""Takes secrets out of what a process says of itself: its log, its traces, what it prints when it ends.

Two ways, because neither is enough: values that this process has read are masked in all their forms, and what looks
like a secret is masked wherever it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from treering.adapters.masking import Masker
from treering.kernel.url_secrets import without_secrets

VALUES_MAX = 2000
CHARACTERS_MAX = 100_000  # of one value in a line of a log
KNOWN = Masker()
OF_THIS_TASK: ContextVar[Masker | None] = ContextVar("secrets of this task", default=None)
SECRET_FIELDS = frozenset({"token", "password", "secret", "authorization", "cookie", "ticket"})
TOKEN = re.compile(r"\b(tr[jns]\.[\w.~%-]{1,400}\.)[\w-]{32,}")  # of ours
# What looks like a secret; the first group stays.
SHAPES = (
    TOKEN,
    re.compile(r"(?i)\b(bearer |basic )[\w.~+/=-]{8,}"),
    re.compile(
        r"""(?i)\b(authorization["']?\s*[:=,]\s*(?:b?["'])?(?:bearer |basic |token )?)"""
        r"""(?!\*|bearer |basic |token )[^\s"',*]{6,}"""
    ),
    re.compile(r"""(?i)([?&](?:ticket|token|access_token|sig|signature|password|secret|api_?key)=)[^&\s"'#*]+"""),
    # Webhooks of chat services have a token in their path.
    re.compile(
        r"(?i)(https?://(?!localhost|127\.)[^/\s\"']{1,253}/(?:[^/\s?#\"']{0,200}/){0,20})(?=[^/\s?#\"']{0,200}\d)[\w:-]{20,200}(?=$|[/\s?#\"'])"
    ),
)


def know(value: str) -> str:
    """Remember a secret that this process has read, so that nothing it says shows it."""
    if len(KNOWN.values) < VALUES_MAX:
        KNOWN.add([value])
    return value


@contextmanager
def knowing(masker: Masker) -> Iterator[None]:
    """What is said within, by this task and those it starts, is without the secrets of ``masker`` too."""
    token = OF_THIS_TASK.set(masker)
    try:
        yield
    finally:
        OF_THIS_TASK.reset(token)


def without_tokens(text: str) -> str:
    """``text`` without the signatures of our own tokens."""
    return TOKEN.sub(r"\1***", text) if TOKEN.search(text) else text


def scrub(text: str) -> str:
    """``text`` without secrets."""
    text = without_secrets(text)
    for shape in SHAPES:
        text = shape.sub(r"\1***", text)
    if (masker := OF_THIS_TASK.get()) is not None:
        text = masker.text(text)
    return KNOWN.text(text)


def scrubbed(value: object, name: str = "") -> object:
    """The same for whatever stands in a line of a log, under ``name``."""
    match value:
        case str():
            return "***" if value and name.lower() in SECRET_FIELDS else scrub(bounded(value))
        case None | bool() | int() | float():
            return value
        case dict():
            return {key: scrubbed(item, str(key)) for key, item in value.items()}
        case list() | tuple():
            return [scrubbed(item) for item in value]
        case _:
            shown = bounded(repr(value))
            return value if (text := scrub(shown)) == shown else text


def bounded(text: str) -> str:
    """The beginning and the end of what is too long; known secrets are masked before it is cut."""
    if len(text) <= CHARACTERS_MAX:
        return text
    text, half = KNOWN.text(text), CHARACTERS_MAX // 2
    return f"{text[:half]} [...] {text[-half:]}"
