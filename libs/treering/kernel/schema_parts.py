"""The subschemas of a JSON Schema: which of them each one applies, to what of a value, and how much it looks at by
itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

ON_THE_SAME = ("not", "if", "then", "else")
ON_THE_SAME_LISTS = ("allOf", "anyOf", "oneOf")
ON_ITEMS = ("items", "contains", "unevaluatedItems")
ON_PROPERTIES = ("additionalProperties", "unevaluatedProperties")
AGAIN = ("unevaluatedItems", "unevaluatedProperties")  # what applies to the same value is asked again, at each level
LONG = ("enum", "required", "properties", "dependentRequired")
LOOKED_UP_EACH = 4  # names and words that are looked up in one step
COMPARED_STEPS = 13  # with one value within a list or object of ``enum`` or ``const``
FORMAT_STEPS = 5  # for each character
REGEX_FORMAT_STEPS = 50  # the character is one of a pattern


class TooManyParts(Exception):
    """More subschemas and references than whoever asks wants to look at."""


class Part:
    """A subschema: which others it applies, and to what of a value."""

    def __init__(self, raw: Any, resource: Any) -> None:
        self.raw = raw
        self.resource = resource  # the schema with an ``$id`` that it stands in: references begin there
        self.order = 0
        self.height = 0  # of the chain of those that it applies to the same value
        self.times = 1  # that it applies each of ``same``
        self.same: list[Part] = []
        self.items: list[Part] = []
        self.places: list[Part] = []
        self.names: list[Part] = []
        self.any_property: list[Part] = []
        self.properties: dict[str, list[Part]] = {}
        self.steps = steps_of(raw)  # at each value
        self.text_steps = 0  # at each character of a text
        self.name_steps = 0  # at each character of a name in an object


class SchemaParts:
    """All subschemas that ``schema`` applies; raises ``TooManyParts`` when each place that one is applied from, counted
    on its own, makes more than ``places_max``."""

    def __init__(
        self, schema: Any, pattern_steps: Callable[[str], int] = lambda pattern: 1, places_max: int | None = None
    ) -> None:
        self.schema = schema
        self.pattern_steps = pattern_steps
        self.places_left = places_max
        self.parts: dict[int, Part] = {}
        self.resources: dict[str, list[Any]] = {}  # by the last part of their ``$id``
        self.anchors: dict[str, list[Any]] = {}
        for found in dicts_in(schema):
            if isinstance(name := found.get("$id"), str):
                self.resources.setdefault(last_of(name.partition("#")[0]), []).append(found)
            for keyword in ("$anchor", "$dynamicAnchor"):
                if isinstance(name := found.get(keyword), str):
                    self.anchors.setdefault(name, []).append(found)
        self.todo: list[Part] = []
        self.root = self.part(schema, schema)
        while self.todo:
            self.read(self.todo.pop())
        self.put_in_order()

    @property
    def goes_round(self) -> bool:
        """Whether a subschema refers to itself without going down into the value: with ``unevaluatedItems`` on the
        way, nobody knows how often it is applied."""
        return any(
            other.order <= part.order
            for part in self.parts.values()
            for other in part.same
            if isinstance(other.raw, dict)
        )

    @property
    def drafts(self) -> set[Any]:
        """What the subschemas say as ``$schema``."""
        return {str(part.raw["$schema"]) for part in self.parts.values() if "$schema" in part.raw}

    @property
    def has_branches(self) -> bool:
        return any("anyOf" in part.raw or "oneOf" in part.raw for part in self.parts.values())

    def part(self, raw: Any, resource: Any) -> Part:
        if self.places_left is not None:
            self.places_left -= 1
            if self.places_left < 0:
                raise TooManyParts
        if isinstance(raw, dict) and isinstance(raw.get("$id"), str):
            resource = raw
        known = self.parts.get(id(raw)) if isinstance(raw, dict) else None
        if known is None:
            known = Part(raw, resource)
            if isinstance(raw, dict):
                self.parts[id(raw)] = known
                self.todo.append(known)
        return known

    def read(self, part: Part) -> None:
        raw = part.raw

        def of(*found: Any) -> list[Part]:
            return [self.part(one, part.resource) for one in found]

        part.same = of(*(raw[key] for key in ON_THE_SAME if key in raw))
        part.same += of(*(one for key in ON_THE_SAME_LISTS for one in listed(raw.get(key))))
        part.same += of(*mapped(raw.get("dependentSchemas")).values())
        part.same += [
            self.part(*found) for key in ("$ref", "$dynamicRef") for found in self.referred(raw.get(key), part)
        ]
        part.items = of(*(raw[key] for key in ON_ITEMS if key in raw))
        part.places = of(*listed(raw.get("prefixItems")))
        part.names = of(*([raw["propertyNames"]] if "propertyNames" in raw else []))
        patterns = mapped(raw.get("patternProperties"))
        part.name_steps = 2 * sum(map(self.pattern_steps, patterns))  # additionalProperties asks them again
        part.text_steps = self.pattern_steps(raw["pattern"]) if isinstance(raw.get("pattern"), str) else 0
        if (kind := raw.get("format")) is not None:
            part.text_steps += REGEX_FORMAT_STEPS if kind == "regex" else FORMAT_STEPS
        part.any_property = of(*(raw[key] for key in ON_PROPERTIES if key in raw), *patterns.values())
        part.properties = {name: of(one) for name, one in mapped(raw.get("properties")).items()}

    def referred(self, reference: Any, part: Part) -> Iterator[tuple[Any, Any]]:
        """What a reference may mean, each with its resource; more than one where names are not unique."""
        if not isinstance(reference, str):
            return
        base, _, fragment = reference.partition("#")
        resources = self.resources.get(last_of(base), []) if base else [part.resource]
        pointer = unquote(fragment)
        if not pointer or pointer.startswith("/"):
            found = ((pointed(resource, pointer), resource) for resource in resources)
            yield from ((raw, resource) for raw, resource in found if raw is not None)
        else:
            yield from ((one, one) for one in self.anchors.get(pointer, []))

    def put_in_order(self) -> None:
        """``order``: a part comes before those that it applies to the same value, but for circles."""
        done: set[Part] = set()
        order = len(self.parts) + 1
        for first in list(self.parts.values()):
            walk = [(first, iter(first.same))] if first not in done else []
            done.add(first)
            while walk:
                part, others = walk[-1]
                further = next((one for one in others if one not in done), None)
                if further is None:
                    walk.pop()
                    part.order, order = order, order - 1
                    part.height = 1 + max((other.height for other in part.same), default=0)
                    part.times = 1 + part.height if any(key in part.raw for key in AGAIN) else 1
                else:
                    done.add(further)
                    walk.append((further, iter(further.same)))


def steps_of(raw: Any) -> int:
    """One, and more for keywords that have much to go through at each value."""
    if not isinstance(raw, dict):
        return 1
    steps = 1 + sum(len(raw[key]) for key in LONG if isinstance(raw.get(key), (list, dict))) // LOOKED_UP_EACH
    compared = [one for one in [*listed(raw.get("enum")), raw.get("const")] if isinstance(one, (list, dict))]
    return steps + COMPARED_STEPS * sum(map(values_in, compared))


def values_in(value: Any) -> int:
    found, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        found += 1
        waiting.extend(one.values() if isinstance(one, dict) else listed(one))
    return found


def last_of(uri: str) -> str:
    return uri.rstrip("/").rpartition("/")[2]


def dicts_in(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def pointed(value: Any, pointer: str) -> Any:
    """What a JSON pointer leads to; None for nothing."""
    for word in pointer.split("/")[1:]:
        word = word.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(word)
        elif isinstance(value, list) and word.isdecimal() and int(word) < len(value):
            value = value[int(word)]
        else:
            return None
    return value


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def mapped(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
