"""One decoder for bytes from outside: whatever is wrong with them, the answer is one refusal."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from typing import Any, TypeVar

import msgspec

from treering.kernel.bounds import DEPTH_MAX, VALUES_MAX
from treering.kernel.free_form import check_free
from treering.kernel.refusal import Refused

T = TypeVar("T")
BYTES_MAX = 32 * 1024 * 1024
SHOWN_CHARACTERS_MAX = 80
PLACE = re.compile(r" - at `(?P<key>key` in `)?\$(?P<path>[^`]*)`$")
UNKNOWN = re.compile(r"unknown field `(?P<name>.*?)`(?= - at `\$|$)", re.DOTALL)
BYTE = re.compile(r"\(byte (\d+)\)$")
NEAR_BYTES = 20
HALF_CHARACTER = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
PATTERN = re.compile(r"matching regex '.*'(?= - at|$)", re.DOTALL)
STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]")


def decode(data: bytes, type: type[T], *, code: str = "request.malformed", bytes_max: int = BYTES_MAX) -> T:
    """Decode JSON ``data`` as ``type``, within the bounds of its fields.

    msgspec reports only some bad input as its own error: depth ends in RecursionError and bad text
    in UnicodeDecodeError, so all three become ``Refused(code)`` here.
    """
    if len(data) > bytes_max:
        raise Refused(code, f"the body has {len(data)} bytes, at most {bytes_max} are read")
    if data.startswith(BOM_UTF8):
        raise Refused(code, "the JSON begins with a byte order mark (EF BB BF); send it without one")
    try:
        value = msgspec.json.decode(data, type=type)
    except RecursionError:
        raise Refused(
            code, f"the JSON is nested too deeply; a value has at most {DEPTH_MAX} lists and objects, one in the other"
        ) from None
    except UnicodeDecodeError as error:
        raise Refused(code, f"the JSON is not UTF-8: {error.reason} at byte {error.start}") from None
    except msgspec.ValidationError as error:
        raise Refused(code, with_given(str(error), data)) from None
    except msgspec.MsgspecError as error:
        raise Refused(code, broken(str(error), data)) from None
    check_free(value, code)
    return value


def decode_once(
    data: bytes,
    type: type[T],
    *,
    code: str = "request.malformed",
    bytes_max: int = BYTES_MAX,
    values_max: int = VALUES_MAX,
) -> T:
    """``decode`` for what somebody else wrote: ``Refused(code)`` too for a name that an object has twice, and for more
    than ``values_max`` values."""
    check_values(data, code, values_max)
    value = decode(data, type, code=code, bytes_max=bytes_max)
    check_repeats(data, code)
    return value


def check_values(data: bytes, code: str = "request.malformed", values_max: int = VALUES_MAX) -> None:
    """``Refused(code)`` for JSON of more than ``values_max`` values, before anything is made of it.

    Reading, checking and writing cost time by the value, and nobody else is served meanwhile. Commas and opening
    brackets are counted: there are as many as values, but for an empty list or object, which counts twice.
    """
    if marks(data) < values_max:
        return
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")  # without escapes, every quote begins or ends a text
    texts = plain.count(b'"') // 2
    if texts > 2 * values_max or marks(b"".join(plain.split(b'"')[::2])) >= values_max:
        raise Refused(code, f"the JSON has more than {values_max} values in it, the most that is read at once")


def marks(data: bytes) -> int:
    """How many there are; quicker than counting each kind, when there are many."""
    return len(data) - len(data.translate(None, b",[{"))


def check_repeats(data: bytes, code: str = "request.malformed") -> None:
    """``Refused(code)`` for a name that an object in the JSON ``data`` has twice: each reader would take another one.

    msgspec keeps the last and says nothing, so what becomes a commit is read once more by Python's own decoder. That
    costs some 10 microseconds, which is nothing beside a commit, and a few milliseconds for as many values as
    ``check_values`` lets in. Metric points come by the thousand and are no
    commits: they are not read twice.
    """
    if twice := repeated_name(data):
        raise Refused(code, f"the name {twice[:SHOWN_CHARACTERS_MAX]!r} stands twice in one object of the JSON")


class Repeated(Exception):
    """The name that an object has twice."""


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise Repeated(next(name for name in names if names.count(name) > 1))
    return found


# Integers stay text: Python refuses those of more than 4300 digits, and they are not looked at here.
names_only = json.JSONDecoder(object_pairs_hook=once, parse_int=str)


def repeated_name(data: bytes) -> str:
    """A name that an object in the valid JSON ``data`` has more than once, "" when none has."""
    try:
        names_only.decode(data.decode())
    except Repeated as error:
        return str(error) or '""'
    except (ValueError, RecursionError):
        return ""  # another decoder has its own words for it
    return ""


def broken(why: str, data: bytes) -> str:
    """What is wrong with ``data``, which is no JSON, and where."""
    if "surrogate" in why or (("truncated" in why or "hex escape" in why) and HALF_CHARACTER.search(data)):
        return "the JSON has half a character in it: one of \\ud800 to \\udfff without the other half"
    if "truncated" in why:
        return "the JSON ends too early: a quote or bracket in it is never closed"
    place = BYTE.search(why)
    near = data[int(place[1]) :][:NEAR_BYTES].decode("utf-8", "replace") if place else ""
    return f"{why}, at {near!r}" if near else with_given(why, data)


def plain(why: str) -> str:
    """msgspec's sentence for people: the only pattern that fields have is that of ``bounds.PLAIN``."""
    return PATTERN.sub("without control characters", why)


def with_given(why: str, data: bytes) -> str:
    """msgspec's sentence with the value it is about, as far as the place it names leads to one."""
    why = plain(why)
    place, unknown = PLACE.search(why), UNKNOWN.search(why)
    if (place is None and unknown is None) or (place and place["key"]):
        return why
    path = place["path"] if place else ""
    try:
        value, end = msgspec.json.decode(data), 0
        for step in STEP.finditer(path):
            if step.start() != end:
                return why
            end = step.end()
            value = value[step["name"] if step["index"] is None else int(step["index"])]
        if unknown:
            value = value[unknown["name"]]
            why = UNKNOWN.sub(lambda found: f"unknown field `{found['name'][:SHOWN_CHARACTERS_MAX]}`", why)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, LookupError, TypeError):
        return why
    return f"{why}, given {shown(value)}" if end == len(path) else why


def shown(value: Any) -> str:
    """``value`` for people, shortened."""
    match value:
        case str() if len(value) > SHOWN_CHARACTERS_MAX:
            return f"{len(value)} characters that begin with {value[:SHOWN_CHARACTERS_MAX]!r}"
        case str():
            return repr(value)
        case list():
            return f"{len(value)} items"
        case dict():
            return f"{len(value)} names"
        case _:
            return str(value)[:SHOWN_CHARACTERS_MAX]
