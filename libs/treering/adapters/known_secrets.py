"""The secrets of an installation and of the process that asks: what must stand in no log and no console.

Read once, from the files that this process may read: what is broken or absent is not for this to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from treering.adapters.uv_variables import OF_AN_INDEX
from treering.config import Home
from treering.kernel.secret_names import is_secret_variable
from treering.kernel.secret_parts import in_url

FILE_BYTES_MAX = 64 * 1024


def installation_secrets(home: Home) -> set[str]:
    """The owner's token, the keys, and what the services and programs from outside show to the NATS server."""
    plain = [home.token_file, *home.keys.glob("*.key"), home.keys / "join-token"]
    found = {text for path in plain if (text := text_of(path).strip())}
    for folder in ("nats", "subscribers"):
        for path in home.keys.glob(f"{folder}/*.json"):
            with suppress(msgspec.DecodeError):
                content = msgspec.json.decode(text_of(path) or "{}", type=dict[str, object])
                found.update(str(content[name]) for name in ("password", "token") if name in content)
    return found


def environment_secrets(environment: Mapping[str, str]) -> set[str]:
    """Values of variables with secret names, and the passwords in the addresses of all others."""
    return {secret for name, value in environment.items() for secret in secrets_in(name, value)}


def secrets_in(name: str, value: str) -> Iterator[str]:
    if is_secret_variable(name, value) or OF_AN_INDEX.fullmatch(name) or name.startswith("OTEL_EXPORTER_OTLP_HEADERS"):
        yield value
    for word in value.replace(",", " ").split() if "://" in value else ():
        yield from in_url(word)


def text_of(path: Path) -> str:
    """The text of a small file; "" where it cannot be read, or holds something else."""
    with suppress(OSError, UnicodeDecodeError):
        if path.stat().st_size <= FILE_BYTES_MAX:
            return path.read_text()
    return ""
