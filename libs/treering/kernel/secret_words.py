"""Finds whole words in a variable's name that say its value is a secret: DB_PASS, GH_PAT, OPENAI_KEY.

Such words are short, and part of many others (COMPASS, AUTHOR, PATH), so they count only between underscores, changes
of case, and the ends of the name; and not beside a word that makes the name one of something else (AUTH_MODE).
"""

from __future__ import annotations

import re
from itertools import pairwise

WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
OF_THE_SHELL = frozenset({"PWD", "OLDPWD", "OLD_PWD"})  # the folder it is in, and was in
SECRETS = frozenset(
    {"pass", "pwd", "pw", "passphrase", "passcode", "passkey", "pat", "jwt", "cookie", "cookies", "auth",
     "authorization", "bearer", "cred", "creds", "sas", "psk", "dbpass", "dbpwd", "userpass", "sshpass"}
)  # fmt: skip
# A key is a secret by what it is for, or by the service that it opens. PRIMARY_KEY, SORT_KEY and PUBLIC_KEY are none,
# and those of ssh and TLS are sealed by their form, since such a name often has the path of a file.
KEYS_OF = frozenset(
    {"account", "storage", "shared", "subscription", "signing", "signature", "encryption", "decryption", "encrypt",
     "crypto", "cipher", "aes", "hmac", "master", "service", "admin", "root", "session", "webhook", "deploy", "license",
     "auth", "jwt", "sas", "endpoint", "function", "functions", "host", "app", "application", "instrumentation",
     "openai", "aoai", "anthropic", "claude", "cohere", "mistral", "groq", "gemini", "google", "azure", "aws", "gcp",
     "hf", "huggingface", "wandb", "comet", "neptune", "cosmos", "cosmosdb", "search", "redis", "batch", "speech",
     "vision", "translator", "cognitive", "language", "maps", "eventgrid", "eventhub", "servicebus", "stripe",
     "sendgrid", "twilio", "datadog", "dd", "newrelic", "pinecone", "serpapi", "tavily", "kaggle", "github", "gitlab"}
)  # fmt: skip
# Beside these the name is one of a place, a kind, a number or a step.
OTHERS = frozenset(
    {"file", "filename", "path", "dir", "folder", "sock", "socket", "url", "uri", "host", "port", "domain", "server",
     "name", "type", "mode", "method", "scheme", "provider", "backend", "plugin", "class", "enabled", "enable",
     "disable", "disabled", "required", "timeout", "version", "level", "length", "len", "size", "count", "limit", "max",
     "min", "num", "id", "ids", "user", "username", "tenant", "region", "scope", "jar", "ttl", "expiry"}
)  # fmt: skip
STEPS = frozenset(
    {"rate", "through", "thru", "forward", "backward", "first", "second", "third", "one", "two", "single", "double",
     "multi", "low", "high", "band", "all", "filter", "threshold", "at", "by", "n", "skip", "warmup", "final", "last"}
)  # fmt: skip


def has_secret_word(name: str) -> bool:
    """Whether whole words of a variable's name say that its value is a secret."""
    words = words_of(name)
    if name in OF_THE_SHELL or is_of_something_else(words):
        return False
    return not SECRETS.isdisjoint(words) or any(is_key(first, second) for first, second in pairwise(["", *words]))


def is_of_something_else(words: list[str]) -> bool:
    if "key" in words:  # HOST_KEY is the key of a host; KEY_HOST is a host
        words = words[words.index("key") + 1 :]
    return not OTHERS.isdisjoint(words) or ("pass" in words and not STEPS.isdisjoint(words))


def is_key(before: str, word: str) -> bool:
    """Whether two words, or the second alone (``accountkey``), are a key that opens something."""
    stem = word.removesuffix("s").removesuffix("key")
    if stem == word.removesuffix("s"):
        return False
    return (stem or before) in KEYS_OF


def words_of(name: str) -> list[str]:
    return [word.lower() for word in WORDS.findall(name)]
