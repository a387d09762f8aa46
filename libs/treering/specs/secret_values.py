"""Tells whether a name in a command is that of a secret, and whether what stands beside it is the secret itself."""

from __future__ import annotations

from treering.kernel.secret_words import has_secret_word, words_of

VALUE_CHARACTERS_MIN = 6  # as for masking: what is shorter is a word or a number
SECRET_WORDS = frozenset({"token", "pwd", "sas", "passwd", "pass", "jwt"})
SECRET_PARTS = ("passw", "passphrase", "secret", "credential")
SECRET_PAIRS = ("apikey", "accesskey", "privatekey", "accountkey", "connectionstring", "sharedkey")
# Words beside "token" and the like that make the name one of something else: --pad_token, PASSWORD_FILE.
OTHER_WORDS = frozenset(
    {"pad", "eos", "bos", "unk", "mask", "cls", "sep", "special", "max", "min", "num", "stop", "start", "end", "file",
     "path", "dir", "folder", "name", "type", "length", "len", "count", "size", "limit", "dim", "class", "ids", "level",
     "embedding", "image", "per", "budget", "scope", "mount"}
)  # fmt: skip
WORD_VALUES = frozenset({"true", "false", "none", "null", "default", "secret", "token", "password"})


def names_secret(name: str) -> bool:
    """Whether a name in a command is that of a secret, by its whole words: ``--tokenizer`` is none. A name in capitals
    is a variable, and secret by the same words as one in environment_variables."""
    words = words_of(name)
    if name.isupper():
        if has_secret_word(name):
            return True
        words = [word for word in words if word not in ("pass", "pwd")]  # PWD, PASS_RATE: looked at just now
    if OTHER_WORDS.intersection(words):
        return False
    joined = "".join(words)
    return (
        bool(SECRET_WORDS.intersection(words))
        or any(part in word for word in words for part in SECRET_PARTS)
        or any(pair in joined for pair in SECRET_PAIRS)
    )


def is_literal(written: str) -> bool:
    """Whether a value stands there itself, and no variable, placeholder, path or number in its place."""
    value = written.strip("\"'")
    if len(value) < VALUE_CHARACTERS_MIN or value.lower() in WORD_VALUES or value.replace(".", "").isdigit():
        return False
    return not value.startswith(("$", "`", "<", "%", "/", "./", "../", "~", "{", "*", "@")) and "$" not in value
