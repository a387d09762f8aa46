"""Takes what is secret out of the texts of a command: of addresses the user, password or signature, and keys and tokens
of known forms, so that none comes into the log.

Here comes everything that people write: tags, descriptions, sources, parameters, of whatever kind. What they could not
do without (a job's command and inputs) was refused before, so that nothing of theirs is changed behind their backs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from treering.adapters.many_strings import ManyStrings
from treering.domain.event import EVENT
from treering.domain.event_schema import EVENT_SCHEMA
from treering.kernel.known_forms import FORMS, is_known, without_known
from treering.kernel.log import encoder
from treering.kernel.subjects import Address
from treering.kernel.url_secrets import without_secrets

T = TypeVar("T")
AT_ONCE_BYTES_MAX = 256 * 1024
# What a publisher says is the publisher's, and is handed on as it came.
MARKS = ManyStrings([form.mark.replace('"', '\\"').encode() for form in FORMS])
AS_THEY_ARE = frozenset({EVENT.kind, EVENT_SCHEMA.kind})


async def scrubbed(kind: str, command: T) -> T:
    """The command, the same object when there is nothing in it. An address takes some microseconds, and a megabyte
    holds 250,000: a large command is looked through beside the event loop."""
    if kind in AS_THEY_ARE:
        return command
    said = encoder.encode(command)
    if len(said) > AT_ONCE_BYTES_MAX:
        return await asyncio.to_thread(without_all, command, said)
    return without_all(command, said)


def without_all(command: T, said: bytes) -> T:
    """``said`` is the command as JSON: whether a mark of a key or token is in it is asked of the whole at once."""
    command = changed(command, left)
    return changed(command, without_known) if MARKS.find(said.lower()) else command


def has_secret_name(address: Address) -> bool:
    """Whether the name of a resource has a key or token in it: names cannot be changed."""
    is_possible = address.kind not in AS_THEY_ARE and MARKS.find(address.key.lower().encode())
    return bool(is_possible) and is_known(address.key)


def left(text: str) -> str:
    return without_secrets(text) if "//" in text or "%" in text else text


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """``value`` with each text in it changed, the same object when that makes no difference."""
    match value:
        case str():
            return change(value)
        case msgspec.Raw():
            decoded = msgspec.json.decode(value)
            found = changed(decoded, change)
            return value if found is decoded else msgspec.Raw(msgspec.json.encode(found))
        case Struct():
            fields = {name: changed(getattr(value, name), change) for name in value.__struct_fields__}
            new = {name: one for name, one in fields.items() if one is not getattr(value, name)}
            return replace(value, **new) if new else value
        case dict():
            pairs = [(changed(key, change), changed(one, change)) for key, one in value.items()]
            same = all(a is c and b is d for (a, b), (c, d) in zip(pairs, value.items(), strict=True))
            return value if same else dict(pairs)
        case list() | tuple() | frozenset() | set():
            items = [changed(one, change) for one in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else type(value)(items)
        case _:
            return value
