"""Values of any message type, most of them good, some at or beyond a boundary: derived from the types themselves."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from treering.kernel.free_form import is_struct

NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 2**70, -(2**63), -(2**63) - 1,
    253402300799999, 253402300800000, 1e308, -1e308, 5e-324, 0.1, float("nan"), float("inf"), True, None, "1", "", [],
)  # fmt: skip
TEXTS: tuple[Any, ...] = (
    "", " ", "a", "x" * 255, "x" * 256, "x" * 1024, "x" * 1025, "x" * 9000, "é" * 300, "\U0001f332" * 300, "\0", "a\0b",
    "\x1b[31m", "\u202e", "\u0085", "\ud800", "a\udfffb", "..", "../../etc/passwd", "/", "a/b", "%00", "%2e%2e", "NaN",
    "9223372036854775808", "-1", "1e999", "9" * 5000, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:60-14:00",
    "2026-13-41T25:61:61Z", "sha256:" + "0" * 64, "'; DROP TABLE x; --", "${{inputs.a}}", "{", 7, None, [], {},
)  # fmt: skip
LONG = "y" * 300_000
ITEMS_HUGE = 10_001
DEPTHS = (10, 400, 500, 501, 950, 5000)
Odd = Callable[[random.Random], Any]


class Raw:
    """JSON that Python's encoder would not make: it recurses."""

    def __init__(self, text: str) -> None:
        self.text = text


def deep(chance: random.Random) -> Raw:
    depth = chance.choice(DEPTHS)
    begin, end = chance.choice((("[", "]"), ('{"a":', "}")))
    return Raw(begin * depth + "1" + end * depth)


class Generator:
    """``known``: good values for fields of these names. ``odd`` is the share of fields that are given a bad one."""

    def __init__(self, chance: random.Random, known: Mapping[str, list[Any]], odd: float = 0.07) -> None:
        self.chance = chance
        self.known = known
        self.odd = odd

    def struct(self, struct: type[Struct]) -> dict[str, Any]:
        """The JSON object of a message; the tag of a command is left out, as its route has it."""
        made = {}
        for field in msgspec.structs.fields(struct):
            if field.required or self.chance.random() < 0.5:
                made[field.encode_name] = self.field(field.name, field.type)
        if self.chance.random() < 0.02:
            made["colour"] = "red"
        return made

    def field(self, name: str, said: Any) -> Any:
        if self.chance.random() < self.odd:
            return self.bad(name, said)
        if name in self.known and self.chance.random() < 0.9:
            return self.chance.choice(self.known[name])
        return self.good(name, said)

    def bad(self, name: str, said: Any) -> Any:
        if self.chance.random() < 0.03:
            return deep(self.chance)
        if self.chance.random() < 0.03:
            return LONG
        base = get_args(said)[0] if get_origin(said) is Annotated else said
        if get_origin(base) is list and self.chance.random() < 0.5:
            return [self.good(name, get_args(base)[0])] * ITEMS_HUGE
        if get_origin(base) is dict and self.chance.random() < 0.5:
            return {f"k{number}": "v" for number in range(ITEMS_HUGE)}
        return self.chance.choice(NUMBERS if self.chance.random() < 0.5 else TEXTS)

    def good(self, name: str, said: Any) -> Any:
        """A value of the type; of a type nobody has a value for, an object."""
        if get_origin(said) is Annotated:
            said = get_args(said)[0]
        origin, arguments = get_origin(said), get_args(said)
        if origin is Literal:
            return self.chance.choice(arguments)
        if origin in (Union, UnionType):
            return self.good(name, self.chance.choice([one for one in arguments if one is not NoneType]))
        if origin is list:
            return [self.field(name, arguments[0]) for _ in range(self.chance.randint(0, 3))]
        if origin is tuple:
            return [self.field(name, one) for one in arguments if one is not ...]
        if origin is dict:
            return {self.word(): self.field("value", arguments[1]) for _ in range(self.chance.randint(0, 3))}
        if is_struct(said):
            return self.struct(said)
        simple: dict[Any, Odd] = {
            bool: lambda chance: chance.random() < 0.5,
            int: lambda chance: chance.randint(0, 20),
            float: lambda chance: chance.random() * 10,
            str: lambda chance: self.word(),
        }
        return simple.get(said, self.anything)(self.chance)

    def word(self) -> str:
        return self.chance.choice("abcdefgh") + str(self.chance.randint(0, 3))

    def anything(self, chance: random.Random) -> Any:
        return chance.choice([{}, {"a": [1, {"b": None}]}, 3, "text", [1.5, True], {"a": chance.choice(NUMBERS)}])


def encoded(value: Any) -> bytes:
    """As JSON, or as near as can be: NaN, half characters and any depth come out as they are."""
    return "".join(pieces(value)).encode("utf-8", "surrogatepass")


def pieces(value: Any) -> list[str]:
    match value:
        case Raw():
            return [value.text]
        case dict():
            inner = [piece for key, one in value.items() for piece in (",", json.dumps(key), ":", *pieces(one))]
            return ["{", *inner[1:], "}"]
        case list():
            inner = [piece for one in value for piece in (",", *pieces(one))]
            return ["[", *inner[1:], "]"]
        case _:
            return [json.dumps(value)]
