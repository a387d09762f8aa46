"""JSON of any shape within its bounds: what a field marked ``FreeForm`` may hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeGuard, get_args

import msgspec
from msgspec import Struct

from treering.kernel.bounds import INT64_MAX, FreeForm
from treering.kernel.refusal import Refused

Path = tuple[str, ...]
NESTED = (dict, list)


def check_free(value: Any, code: str) -> None:
    """``Refused(code)`` when a field of any shape is deeper or larger than its ``FreeForm`` says, or has an integer
    that a view cannot hold."""
    for path, form in free_fields(value.__class__):
        found = value
        for name in path:
            found = getattr(found, name, None)
        if found.__class__ in (dict, list, int):
            check_form(found, form, ".".join(path), code)


def check_form(value: Any, form: FreeForm, field: str, code: str) -> None:
    """Layer by layer, so that no depth is too deep to be measured. ``depth``: of so many lists and objects, one in the
    other, the values of this layer are; an empty one counts like a full one."""
    layer, depth, values = [value], 0, 0
    while layer:
        inner = [one for one in layer if one.__class__ in NESTED]
        values += len(layer)
        levels = depth + bool(inner)
        if levels > form.depth_max or values > form.values_max:
            what = f"{levels} levels" if levels > form.depth_max else f"{values} values"
            allowed = f"{form.depth_max} levels and {form.values_max} values"
            raise Refused(code, f"{field} has {what} or more of JSON in it; at most {allowed} are allowed")
        for one in layer:
            if one.__class__ is int and not -INT64_MAX - 1 <= one <= INT64_MAX:
                raise Refused(code, f"{field} has the integer {str(one)[:60]} in it; it must fit into 64 bits, signed")
        layer = [part for one in inner for part in parts(one)]
        depth += 1


def parts(value: dict[str, Any] | list[Any]) -> Sequence[Any]:
    return list(value.values()) if isinstance(value, dict) else value


@lru_cache(1024)
def free_fields(type: Any) -> tuple[tuple[Path, FreeForm], ...]:
    """The fields of any shape in a struct and in its structs: the names that lead there, and the bounds."""
    return tuple(found_free(type)) if is_struct(type) else ()


def is_struct(type: Any) -> TypeGuard[type[Struct]]:
    return isinstance(type, msgspec.StructMeta)


def found_free(struct: type[Struct]) -> Iterator[tuple[Path, FreeForm]]:
    for field in msgspec.structs.fields(struct):
        for option in (field.type, *get_args(field.type)):  # the type itself, or one of a union
            for form in getattr(option, "__metadata__", ()):
                if isinstance(form, FreeForm):
                    yield (field.name,), form
            if is_struct(option):
                yield from (((field.name, *path), form) for path, form in found_free(option))
