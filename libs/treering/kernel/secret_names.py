"""Which names say that their value is a secret, and what in a variable of such a name is none after all."""

from __future__ import annotations

import re
from collections.abc import Collection

from treering.kernel.secret_words import has_secret_word, words_of

SECRET_NAME = re.compile(
    r"passw|secret|token|api_?key|access_?key|private_?key|credential|connection_?string|sas_", re.IGNORECASE
)
# An answer is no secret, whatever was asked.
ANSWERS = frozenset({"true", "false", "yes", "no", "on", "off", "none", "null", "0", "1"})
# TOKENIZER and its like are about text. What else a name has in it counts as ever: TOKENIZER_API_KEY.
OF_TEXT = re.compile(r"(?:de)?token(?:i[sz]e(?:r|rs|d|s)?|i[sz]ing|i[sz]ations?)(?![a-z])", re.IGNORECASE)
# MAX_TOKENS=512 and PAD_TOKEN=<pad>: how many, or which mark, and only with a value of that kind. A name that has none
# of these words in it keeps its number sealed, because a code of six digits is a secret.
COUNTS = frozenset({"max", "min", "num", "count", "limit", "length", "len", "size", "budget", "total", "per"})
KINDS = frozenset({"new", "train", "context", "prompt", "input", "output", "completion", "generated"})
MARKS = frozenset({"pad", "eos", "bos", "unk", "mask", "cls", "sep"})
# Beside these nothing is taken for a name of something else.
KEYS = frozenset({"auth", "key", "keys", "pwd", "pass", "sig", "cred", "creds", "login", "bearer", "jwt", "pat", "otp"})
NUMBER = re.compile(r"[-+]?\d[\d_]{0,18}(?:\.\d+)?(?:[eE][-+]?\d{1,3})?[kKmMbB]?")
MARK = re.compile(r"<[^<>\s]{1,30}>|\[[A-Za-z_]{1,20}\]")


def is_secret_name(name: str) -> bool:
    """Whether the name of a variable says that its value is a secret."""
    is_about_text = OF_TEXT.search(name) is not None and KEYS.isdisjoint(words_of(name))
    named = SECRET_NAME.search(OF_TEXT.sub("", name) if is_about_text else name) is not None
    return named or has_secret_word(name)


def is_secret_variable(name: str, value: str, public: Collection[str] = ()) -> bool:
    """Whether a variable is secret by its name. ``public`` are those that somebody declared to be none."""
    return name not in public and is_secret_name(name) and not is_plain(name, value.strip())


def is_plain(name: str, value: str) -> bool:
    """Whether a value is one that nobody has to keep secret, although the name would say so."""
    if value.lower() in ANSWERS:
        return True
    words = set(words_of(name))
    left = words - {"token", "tokens"}
    if not left or left == words or KEYS & left or SECRET_NAME.search(" ".join(left)):
        return False
    if left <= MARKS | {"id"}:
        return MARK.fullmatch(value) is not None or ("id" in left and value.isdecimal())
    is_count = COUNTS & left and left <= COUNTS | KINDS
    if is_count or ("tokens" in words and (COUNTS | KINDS) & left):
        return NUMBER.fullmatch(value) is not None
    return False
