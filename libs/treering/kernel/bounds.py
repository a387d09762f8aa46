"""The bounded types that every message is built of, so that nothing is accepted that a view cannot hold.

Commands, events, requests and queries name one of these for each field; msgspec checks them while it decodes, at no
cost that can be measured. ``tests/kernel/test_bounds.py`` walks all messages and fails on a field without a bound.
What the log holds already is read whatever its size (``kernel/stored.py``): a bound is for what comes in.

SQLite's integers have 64 bits, signed. How large a request may be as a whole stands in the gateway; whatever it lets
in is one commit at most, and fits into one message of NATS (``tests/domain/test_largest_commands.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

INT64_MAX = 2**63 - 1
EXACT_MAX = 2**53  # up to here a double, and so JavaScript, tells every integer from the next
MILLISECONDS_MIN = -62_135_596_800_000  # the first of the year 1: runs that were brought in may be older than 1970
MILLISECONDS_MAX = 253_402_300_799_999  # the last millisecond of the year 9999
TEXT_CHARACTERS_MAX = 1024 * 1024
PROFILE_CHARACTERS_MAX = 16 * 1024 * 1024
ITEMS_MAX = 10_000
PARTS_MAX = 200_000  # of what many commands have gathered, or of one request's points
VALUES_MAX = 20_000  # of the JSON of one command or event: while it is read, nobody else is served
# Control characters, noncharacters, and what Unicode has for invisible marks, joiners, direction and line ends.
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)
DEPTH_MAX = 500  # Python, msgspec and SQLite stop at about 1000


@dataclass(frozen=True)
class FreeForm:
    """JSON of any shape, as a field's annotation: how deep it may be, and of how many values."""

    depth_max: int = DEPTH_MAX
    values_max: int = VALUES_MAX


def fault_in_identifier(text: str) -> str:
    """Why ``text`` can identify nothing, as the end of a sentence; "" when it can: two that look alike must be the
    same, so it has no character that cannot be seen, and none that turns the order of others."""
    found = INVISIBLE.search(text)
    return f"it has the character U+{ord(found[0]):04X}, which nobody sees; leave it out" if found else ""


@dataclass(frozen=True)
class AnyValue:
    """A field's annotation where every value of the type can be kept."""

    why: str


RULE = "x-rule"  # in a schema, until ``documented``


def rule(**schema: Any) -> Meta:
    """The bounds that a field really has, where its type is wider so that a rule with a code of its own can say what is
    wrong. They are what the documents say: ``Annotated[Name, rule(maxLength=255)]``."""
    return Meta(extra_json_schema={RULE: schema})


def documented(schema: Any) -> None:
    """Put the rules in a JSON Schema, and in all there is within, into the place of the wider bounds."""
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        documented(value)
    if isinstance(schema, dict):
        schema.update(schema.pop(RULE, {}))


# Numbers. ``Small`` is for fields whose own rule is narrower and has a code of its own.
Int64 = Annotated[int, Meta(ge=-(2**63), le=INT64_MAX)]
Small = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Position = Annotated[int, Meta(ge=0, le=EXACT_MAX)]
Count = Annotated[int, Meta(ge=0, le=EXACT_MAX)]
Size = Annotated[int, Meta(ge=-EXACT_MAX, le=EXACT_MAX)]  # in bytes; a negative one is refused with its own code
Milliseconds = Annotated[int, Meta(ge=MILLISECONDS_MIN, le=MILLISECONDS_MAX)]  # since 1970
Seconds = Annotated[float, Meta(ge=0, le=1e10)]  # 317 years
AnySeconds = Annotated[float, Meta(ge=-1e10, le=1e10)]  # where the rule has a code of its own
Float64 = Annotated[float, AnyValue("64 bits in JSON, in SQLite and here; metrics may be NaN")]

# Texts. A ``Name`` is wider than any rule for names, so that the rules can say what is wrong. Names and titles have no
# control characters and no noncharacters in them, as Strings of CloudEvents 1.0; free text may have any.
CONTROLS = r"\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff"
PLAIN = rf"^[^{CONTROLS}]*(?![\s\S])"  # as Python and ECMA-262, which OpenAPI means, both read it
Name = Annotated[str, Meta(max_length=1024, pattern=PLAIN)]
MetricKey = Annotated[str, Meta(max_length=1024)]  # by the thousand in a request, and its own rule is narrower
Title = Annotated[str, Meta(max_length=8192, pattern=PLAIN)]
Line = Annotated[str, Meta(max_length=8192)]
Text = Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)]
Profile = Annotated[str, Meta(max_length=PROFILE_CHARACTERS_MAX)]  # of a data set, as MLflow's clients describe it

# Groups.
Names = Annotated[list[Name], Meta(max_length=ITEMS_MAX)]
Tags = Annotated[dict[Name, Text], Meta(max_length=ITEMS_MAX)]
AllTags = Annotated[dict[Name, Text], Meta(max_length=PARTS_MAX)]  # gathered by many commands
Free = Annotated[Any, FreeForm()]
FreeObject = Annotated[dict[str, Any], FreeForm()]
