"""Decode what was stored, whatever its size: bounds are for what comes in, and other releases had others.

A value that today's bounds refuse may be in a log that an older release has written. It is read by a twin of each
type, the same but without bounds, and becomes an instance of the real type. Only what fails to decode pays for this.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct

T = TypeVar("T")
REAL: dict[type[Struct], type[Struct]] = {}  # the real type of each twin


class StoredDecoder(Generic[T]):
    """Decodes JSON as ``type``; msgspec.ValidationError only for what is of another type."""

    def __init__(self, type: Any) -> None:
        self.type = type
        self.bounded: msgspec.json.Decoder[T] = msgspec.json.Decoder(type)

    def decode(self, data: bytes | str | msgspec.Raw) -> T:
        try:
            return self.bounded.decode(data)
        except msgspec.ValidationError:
            found: T = real(self.unbounded.decode(data))
            return found

    def check(self, data: bytes | msgspec.Raw) -> None:
        """msgspec.ValidationError for what is beyond today's bounds."""
        self.bounded.decode(data)

    @cached_property
    def unbounded(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(unbounded(self.type))


def unbounded(type: Any) -> Any:
    """``type`` without its bounds, and with twins for the structs in it."""
    if is_struct(type):
        return twin(type)
    origin, arguments = get_origin(type), get_args(type)
    if origin is Annotated:
        return unbounded(arguments[0])
    if origin in (Union, UnionType):
        return Union[tuple(unbounded(one) for one in arguments)]  # noqa: UP007 - the parts are known at run time only
    if origin in (list, dict, tuple, frozenset):
        return origin[tuple(one if one is ... else unbounded(one) for one in arguments)]
    return type


def is_struct(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, Struct)


@cache
def twin(struct: type[Struct]) -> type[Struct]:
    config = struct.__struct_config__
    fields: list[Any] = []
    for field in msgspec.structs.fields(struct):
        how: Mapping[str, Any] = {}
        if field.default is not msgspec.NODEFAULT:
            how = {"default": field.default}
        elif field.default_factory is not msgspec.NODEFAULT:
            how = {"default_factory": field.default_factory}
        fields.append((field.name, unbounded(field.type), msgspec.field(name=field.encode_name, **how)))
    made = msgspec.defstruct(
        struct.__name__, fields, frozen=True, kw_only=True, tag=config.tag, tag_field=config.tag_field,
        array_like=config.array_like, forbid_unknown_fields=config.forbid_unknown_fields,
    )  # fmt: skip
    REAL[made] = struct
    return made


def real(value: Any) -> Any:
    """``value`` with an instance of the real type for each twin."""
    match value:
        case Struct() if type(value) in REAL:
            return REAL[type(value)](**{name: real(getattr(value, name)) for name in value.__struct_fields__})
        case list():
            return [real(one) for one in value]
        case tuple() if type(value) is tuple:
            return tuple(real(one) for one in value)
        case dict():
            return {key: real(one) for key, one in value.items()}
        case _:
            return value
