"""Takes what is secret out of the addresses in a command, so that no user, password or signature comes into the log.

Here comes everything that people write: tags, descriptions, sources, parameters, of whatever kind. What they could not
do without (a job's command and inputs) was refused before, so that nothing of theirs is changed behind their backs.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from treering.domain.event import EVENT
from treering.domain.event_schema import EVENT_SCHEMA
from treering.kernel.url_secrets import without_secrets

T = TypeVar("T")
# What a publisher says is the publisher's, and is handed on as it came.
AS_THEY_ARE = frozenset({EVENT.kind, EVENT_SCHEMA.kind})


def scrubbed(kind: str, command: T) -> T:
    """The command, the same object when there is nothing in it."""
    return command if kind in AS_THEY_ARE else plain(command)


def plain(value: Any) -> Any:
    match value:
        case str():
            return without_secrets(value) if "//" in value or "%" in value else value
        case msgspec.Raw():
            return raw(value)
        case Struct():
            found = {name: plain(getattr(value, name)) for name in value.__struct_fields__}
            new = {name: one for name, one in found.items() if one is not getattr(value, name)}
            return replace(value, **new) if new else value
        case dict():
            pairs = [(plain(key), plain(one)) for key, one in value.items()]
            same = all(a is c and b is d for (a, b), (c, d) in zip(pairs, value.items(), strict=True))
            return value if same else dict(pairs)
        case list() | tuple() | frozenset() | set():
            items = [plain(one) for one in value]
            return value if all(map(is_same, items, value)) else type(value)(items)
        case _:
            return value


def is_same(one: object, other: object) -> bool:
    return one is other


def raw(value: msgspec.Raw) -> msgspec.Raw:
    if b"/" not in bytes(value) and b"%" not in bytes(value):
        return value
    decoded = msgspec.json.decode(value)
    found = plain(decoded)
    return value if found is decoded else msgspec.Raw(msgspec.json.encode(found))
