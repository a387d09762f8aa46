"""JSON Schema, draft 2020-12: compiled once, offline, with patterns and references that cannot run away."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from treering.kernel.refusal import Refused
from treering.kernel.schema_cost import SchemaCost
from treering.kernel.schema_parts import TooManyParts

SCHEMA_BYTES_MAX = 64 * 1024
PLACES_MAX = 1000  # that a schema applies subschemas from: each subschema and each reference
DRAFT = "https://json-schema.org/draft/2020-12/schema"
STEPS_MAX = 1_000_000  # for one event: some 40 ms
KNOWN_MAX = 256
MESSAGE_CHARACTERS_MAX = 300
# The size of a compiled pattern, and how many steps it may take for a character then. The engine is linear in the text;
# at its worst it tries each state of the pattern at each character.
PATTERN_SIZES = {16 * 1024: 2, 256 * 1024: 50, 1024 * 1024: 200}
PATTERNS_BYTES_MAX = 4 * 1024 * 1024  # of all patterns of a schema, compiled
# An error of ``anyOf`` or ``oneOf`` holds all errors of each branch, at 15 microseconds each.
TOLD_STEPS_MAX = 5000
NOT_A_SCHEMA = (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError)


def compiled(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """``Refused("event_schema.invalid")`` for what is no schema, or refers to something outside of it."""
    check_size(schema)
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, offline=True, validate_formats=True, pattern_options=regex_options(max(PATTERN_SIZES))
        )
    except NOT_A_SCHEMA as error:
        why = str(error).splitlines()[0][:MESSAGE_CHARACTERS_MAX]
        raise Refused("event_schema.invalid", f"schema is no JSON Schema (2020-12): {why}") from None


def check_new(schema: dict[str, Any]) -> None:
    """``Refused("event_schema.invalid")`` for what is no schema, one of another draft, and one that costs too much work
    to look at, or on whatever data. One that was registered before there was such a rule stays in force."""
    check_size(schema)
    try:
        cost = cost_of(schema, PLACES_MAX)
    except TooManyParts:
        why = f"at more than {PLACES_MAX:,} places a subschema or a reference stands in it"
        raise Refused("event_schema.invalid", f"schema is too much work: {why}; divide the type into several") from None
    if others := cost.drafts - {DRAFT, f"{DRAFT}#"}:
        why = f"$schema is {min(others)[:100]!r}; schemas of events are of draft 2020-12"
        raise Refused("event_schema.invalid", f"{why}: write it so, and leave $schema out or say {DRAFT!r}")
    compiled(schema)
    if cost.exceeds(None, STEPS_MAX):
        why = f"it may take more than {STEPS_MAX:,} steps on a single number"
        raise Refused("event_schema.invalid", f"schema is too much work: {why}; refer to each definition fewer times")


def check_size(schema: dict[str, Any]) -> None:
    size_bytes = len(msgspec.json.encode(schema))
    if size_bytes > SCHEMA_BYTES_MAX:
        raise Refused("event_schema.invalid", f"schema has {size_bytes} bytes, at most {SCHEMA_BYTES_MAX} are allowed")


def cost_of(schema: dict[str, Any], places_max: int | None = None) -> SchemaCost:
    """Raises ``TooManyParts``, and ``Refused("event_schema.invalid")`` when the patterns are too many or too large, or
    it goes round."""
    total_bytes = 0

    def steps(pattern: str) -> int:
        nonlocal total_bytes
        size_bytes = pattern_bytes(pattern)
        total_bytes += size_bytes
        if total_bytes > PATTERNS_BYTES_MAX:
            raise Refused("event_schema.invalid", "schema has too many patterns, or too large ones, in it")
        return PATTERN_SIZES[size_bytes]

    cost = SchemaCost(schema, steps, places_max)
    if cost.goes_round:
        raise Refused("event_schema.invalid", "schema refers to itself without going down into the value")
    return cost


@lru_cache(1024)
def pattern_bytes(pattern: str) -> int:
    """Which of PATTERN_SIZES it needs; the largest for what is no pattern, which the schema is refused for anyway."""
    for size_bytes in PATTERN_SIZES:
        try:
            jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=regex_options(size_bytes))
        except NOT_A_SCHEMA:
            continue
        return size_bytes
    return max(PATTERN_SIZES)


def regex_options(size_bytes: int) -> jsonschema_rs.RegexOptions:
    return jsonschema_rs.RegexOptions(size_limit=size_bytes)


class Validators:
    """Compiled schemas by a key that changes with them."""

    def __init__(self) -> None:
        self.known: OrderedDict[Hashable, tuple[jsonschema_rs.Draft202012Validator, SchemaCost]] = OrderedDict()

    def check(self, key: Hashable, schema: dict[str, Any], data: Any) -> None:
        """``Refused("event.schema_mismatch")`` naming the field of ``data`` that is not as the schema says;
        ``event.schema_cost`` when that would be too much work to find out."""
        known = self.known.get(key)
        if known is None:
            known = self.known[key] = (compiled(schema), cost_of(schema))
            if len(self.known) > KNOWN_MAX:
                self.known.popitem(last=False)
        self.known.move_to_end(key)
        validator, cost = known
        if cost.exceeds(data, STEPS_MAX):
            why = f"the schema of its type may take more than {STEPS_MAX:,} steps on it"
            raise Refused(
                "event.schema_cost", f"data is too much work: {why}; publish less in one event, or simplify it"
            )
        if validator.is_valid(data):
            return
        if cost.has_branches and cost.exceeds(data, TOLD_STEPS_MAX):
            raise Refused("event.schema_mismatch", "data is not as its schema says; it is too large to say where")
        try:
            validator.validate(data)  # ends at the first error: to list them all took 12 s for 19,000 items
        except jsonschema_rs.ValidationError as error:
            field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
            said = str(error.message)[:MESSAGE_CHARACTERS_MAX]
            raise Refused("event.schema_mismatch", f"data{field}: {said}") from None
