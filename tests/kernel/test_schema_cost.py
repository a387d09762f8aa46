"""A schema's work on a value is known before it is done."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from treering.kernel.schema_cost import SchemaCost

MOST = 1_000_000


def fresh(schema: Any) -> Any:
    """As it comes from JSON: no part of it is the same object as another."""
    return msgspec.json.decode(msgspec.json.encode(schema))


def doubling(**reference: str) -> dict[str, Any]:
    return {"allOf": [dict(reference), dict(reference)]}


def nested(levels: int, inner: Any = 0) -> Any:
    for _ in range(levels):
        inner = [inner]
    return inner


DEFINITIONS = {f"d{number}": doubling(**{"$ref": f"#/$defs/d{number + 1}"}) for number in range(40)}
ANCHORS = {f"d{n}": {"$anchor": f"d{n}", **doubling(**{"$ref": f"#d{n + 1}"})} for n in range(40)}
DYNAMIC = {f"d{n}": {"$dynamicAnchor": f"d{n}", **doubling(**{"$dynamicRef": f"#d{n + 1}"})} for n in range(40)}
IDS = {f"d{n}": {"$id": f"d{n}", **doubling(**{"$ref": f"d{n + 1}"})} for n in range(40)}
ON_ONE_VALUE = {
    "pointers": {"$defs": DEFINITIONS, "$ref": "#/$defs/d0"},
    "anchors": {"$defs": ANCHORS, "$ref": "#d0"},
    "dynamic anchors": {"$defs": DYNAMIC, "$dynamicRef": "#d0"},
    "ids": {"$id": "http://example.org/schema", "$defs": IDS, "$ref": "d0"},
    "pointers within an id": {
        "$id": "http://example.org/schema", "$ref": "inner",
        "$defs": {"inner": {"$id": "inner", "$defs": DEFINITIONS, "$ref": "#/$defs/d0"}},
    },
    "escaped pointers": {"$defs": {"a/b": {"$defs": DEFINITIONS, "$ref": "#/$defs/a~1b/$defs/d0"}} | DEFINITIONS,
                         "$ref": "#/%24defs/a~1b"},
}  # fmt: skip
TWICE_BELOW = {
    "items": ({"allOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}, nested(40)),
    "contains": ({"items": {"$ref": "#"}, "contains": {"$ref": "#"}}, nested(40)),
    "first items": ({"prefixItems": [{"$ref": "#"}], "contains": {"$ref": "#"}}, nested(40)),
}


def object_of(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = {"a": value}
    return value


IN_OBJECTS = {
    "properties": {"properties": {"a": {"$ref": "#"}}, "patternProperties": {"^a": {"$ref": "#"}}},
    "additional": {"allOf": [{"additionalProperties": {"$ref": "#"}}, {"additionalProperties": {"$ref": "#"}}]},
}


@pytest.mark.parametrize("schema", ON_ONE_VALUE.values(), ids=ON_ONE_VALUE)
def test_references_that_double_are_found_however_they_are_written(schema: Any) -> None:
    assert SchemaCost(fresh(schema)).exceeds(1, MOST)


@pytest.mark.parametrize(("schema", "data"), TWICE_BELOW.values(), ids=TWICE_BELOW)
def test_a_schema_that_applies_itself_twice_to_what_is_in_a_list_is_found(schema: Any, data: Any) -> None:
    assert SchemaCost(fresh(schema)).exceeds(data, MOST)
    assert not SchemaCost(fresh(schema)).exceeds(nested(4), MOST)


@pytest.mark.parametrize("schema", IN_OBJECTS.values(), ids=IN_OBJECTS)
def test_a_schema_that_applies_itself_twice_to_a_property_is_found(schema: Any) -> None:
    assert SchemaCost(fresh(schema)).exceeds(object_of(40), MOST)
    assert not SchemaCost(fresh(schema)).exceeds(object_of(4), MOST)


def test_a_tree_costs_what_it_has_values() -> None:
    tree = fresh({"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}})
    value: Any = {}
    for _ in range(12):
        value = {"left": value, "right": value}
    cost = SchemaCost(tree)
    values = 2**13 - 1
    assert not cost.exceeds(value, 2 * values) and cost.exceeds(value, values)  # the reference, and what it refers to


def test_much_data_costs_as_much_as_a_large_schema() -> None:
    wide = SchemaCost(fresh({"items": {"allOf": [{"type": "integer"}] * 1000}}))
    assert wide.exceeds([1] * 10_000, MOST) and not wide.exceeds([1] * 900, MOST)
    patterns = SchemaCost(fresh({"allOf": [{"pattern": f"x{number}"} for number in range(1000)]}))
    assert patterns.exceeds("a" * 800_000, MOST) and not patterns.exceeds("a" * 900, MOST)


def test_a_schema_that_refers_to_itself_on_the_same_value_is_counted_once() -> None:
    circle = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
    assert not SchemaCost(fresh(circle)).exceeds(1, 4)
