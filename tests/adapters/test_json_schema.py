"""A schema is applied only where it is known beforehand to take little time; nothing can break the validator off."""

from __future__ import annotations

from collections import Counter
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treering.adapters.json_schema import STEPS_MAX, Validators, check_new, compiled
from treering.kernel import schema_parts
from treering.kernel.refusal import Refused
from treering.kernel.schema_cost import SchemaCost

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def doubled(levels: int, keyword: str = "allOf", root: str = "$ref") -> Schema:
    """A chain of definitions, each of which applies the next one twice."""
    chain = {f"d{n}": {keyword: [ref(f"d{n + 1}"), ref(f"d{n + 1}")]} for n in range(levels)}
    return {"$defs": {**chain, f"d{levels}": {}}, "$ref": "#/$defs/d0"}


def refusal(schema: Schema, data: Any) -> str:
    """The code of what is said about the schema, or of ``data`` under it; "" when both are taken."""
    try:
        Validators().check(0, schema, data)
    except Refused as refused:
        return refused.code
    return ""


nodes: Schema = {"anyOf": [{"properties": {"next": {"$ref": "#"}}}, {"properties": {"next": {"$ref": "#"}}}]}
NEVER_APPLIED: dict[str, Schema] = {
    "allOf": doubled(30),
    "anyOf": doubled(30, "anyOf"),
    "oneOf": doubled(30, "oneOf"),
    "not": {"$defs": {f"d{n}": {"not": ref(f"d{n + 1}"), "if": ref(f"d{n + 1}")} for n in range(30)} | {"d30": {}},
            "$ref": "#/$defs/d0"},
    "dependentSchemas": {
        "$defs": {f"d{n}": {"dependentSchemas": {"a": ref(f"d{n + 1}"), "b": ref(f"d{n + 1}")}} for n in range(30)}
        | {"d30": {}}, "$ref": "#/$defs/d0",
    },
    "anchors": {"$defs": {f"d{n}": {"$anchor": f"a{n}", "allOf": [{"$ref": f"#a{n + 1}"}] * 2} for n in range(30)}
                | {"d30": {"$anchor": "a30"}}, "$ref": "#a0"},
    "dynamic anchors": {
        "$defs": {f"d{n}": {"$dynamicAnchor": f"a{n}", "allOf": [{"$dynamicRef": f"#a{n + 1}"}] * 2} for n in range(30)}
        | {"d30": {"$dynamicAnchor": "a30"}}, "$dynamicRef": "#a0",
    },
    "unevaluated": {
        "$defs": {f"d{n}": {"allOf": [ref(f"d{n + 1}")], "unevaluatedProperties": False} for n in range(40)}
        | {"d40": {}}, "$ref": "#/$defs/d0",
    },
    "a circle": {"$defs": {"a": ref("b"), "b": {"allOf": [ref("a")]}}, "$ref": "#/$defs/a"},
    "subschemas without end": {"allOf": [{} for _ in range(5000)]},
    "many references to many of one name": {
        "allOf": [ref("a") for _ in range(500)], "$defs": {f"a{n}": {"$id": "a"} for n in range(500)},
    },
    "patterns without end": {"allOf": [{"pattern": f"(a{{0,200}}x){{0,20}}{n}"} for n in range(100)]},
}  # fmt: skip
deep: Any = {}
for _ in range(60):
    deep = {"next": deep}
COSTLY: dict[str, tuple[Schema, Any]] = {
    "branches at each level": (nodes, deep),
    "a chain in each item": ({**doubled(12), "$ref": "#/$defs/d0", "$defs": {**doubled(12)["$defs"]},
                              "items": ref("d0")}, [0] * 1000),
    "an enum of objects": ({"items": {"enum": [{"a": n} for n in range(4000)]}}, [{"a": n} for n in range(4000)]),
    "many properties": ({"items": {"properties": {f"p{n}": True for n in range(1500)}}}, [{}] * 10_000),
    "a large pattern": ({"pattern": "(.{0,20}x){0,5}b"}, "ax" * 100_000),
    "a large pattern of names": ({"patternProperties": {"(.{0,20}x){0,5}b": True}}, {"ax" * 100_000: 0}),
    "a pattern of property names": ({"propertyNames": {"pattern": "(.{0,20}x){0,5}b"}}, {"ax" * 100_000: 0}),
    "a pattern as data": ({"format": "regex"}, "\\p{L}" * 100_000),
}  # fmt: skip


@pytest.mark.parametrize("schema", NEVER_APPLIED.values(), ids=NEVER_APPLIED)
def test_a_schema_that_would_take_too_long_on_anything_is_refused_when_it_is_registered(schema: Schema) -> None:
    with pytest.raises(Refused) as refused:
        compiled(schema)
        check_new(schema)
    assert refused.value.code == "event_schema.invalid"


def test_names_that_are_not_unique_are_looked_up_and_not_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 references among 500 names each: as many as there are places, and not 250,000."""
    looked = Counter[str]()
    monkeypatch.setattr(schema_parts, "last_of", lambda uri: looked.update([uri]) or uri)
    names = {f"a{n}": {"$id": f"a{n}"} for n in range(400)}
    check_new({"allOf": [{"$ref": name} for name in names], "$defs": names})
    assert looked.total() <= 800


@pytest.mark.parametrize(("schema", "data"), COSTLY.values(), ids=COSTLY)
def test_data_that_would_take_its_schema_too_long_is_refused_without_looking(schema: Schema, data: Any) -> None:
    assert refusal(schema, data) == "event.schema_cost"


def test_what_schemas_are_used_for_is_taken() -> None:
    value: Schema = {"anyOf": [
        {"type": ["string", "number", "boolean", "null"]},
        {"type": "array", "items": {"$ref": "#"}},
        {"type": "object", "additionalProperties": {"$ref": "#"}},
    ]}  # fmt: skip
    assert refusal(value, {"a": [1, {"b": [None] * 1000}]}) == ""
    assert refusal(value, [[n, str(n)] for n in range(5000)]) == ""
    table: Schema = {
        "type": "object", "required": ["rows"], "unevaluatedProperties": False, "allOf": [{"properties": {"x": True}}],
        "properties": {"rows": {"type": "array", "items": ref("row")}},
        "$defs": {"row": {"properties": {"name": {"pattern": "^[a-z][a-z0-9-]{0,62}$"}, "at": {"format": "date-time"},
                                         "kind": {"enum": ["a", "b"]}}, "additionalProperties": False}},
    }  # fmt: skip
    rows = [{"name": f"n{n}", "at": "2026-01-01T00:00:00Z", "kind": "a"} for n in range(1000)]
    assert refusal(table, {"rows": rows}) == ""
    assert refusal(table, {"rows": [*rows, {"kind": "c"}]}) == "event.schema_mismatch"
    assert refusal({"pattern": "^[A-Z]"}, "A" * 200_000) == ""


def test_where_a_branch_fails_is_told_of_small_data_only() -> None:
    """To list what is wrong with 19,000 items in ten branches took 12 s."""
    schema = {"anyOf": [{"items": {"type": "string"}}, {"items": {"type": "boolean"}}]}
    for data, said in (([[1]], "data: "), ([1] * 5000, "too large to say where")):
        with pytest.raises(Refused) as refused:
            Validators().check(0, schema, data)
        assert refused.value.code == "event.schema_mismatch" and said in refused.value.detail


names = st.sampled_from("abc")
leaves = st.sampled_from([True, {}, {"type": "object"}, ref("a"), ref("b")])
COUNTED = "x-counted"


def subschemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda key, value: {key: value}, st.sampled_from(["allOf", "anyOf", "oneOf", "prefixItems"]), some),
        st.builds(
            lambda key, value: {key: value},
            st.sampled_from(["not", "if", "items", "contains", "additionalProperties", "propertyNames"]),
            inner,
        ),
        st.builds(lambda value: {"properties": value}, st.dictionaries(names, inner, max_size=3)),
        st.builds(lambda value: {"dependentSchemas": value}, st.dictionaries(names, inner, max_size=3)),
        st.builds(lambda value: {"patternProperties": {f"[{k}-z]": v for k, v in value.items()}},
                  st.dictionaries(names, inner, max_size=2)),
        st.builds(lambda value: {"allOf": [value], "unevaluatedProperties": {}}, inner),
    )  # fmt: skip


schemas = st.recursive(leaves, subschemas, max_leaves=8)
values = st.recursive(
    st.just(1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)


def counted(schema: Any) -> Any:
    """With a keyword in each subschema that tells when it is looked at."""
    if isinstance(schema, list):
        return [counted(one) for one in schema]
    if not isinstance(schema, dict):
        return {COUNTED: 1} if schema is True else schema
    below = {}
    for key, value in schema.items():
        named = key in ("properties", "dependentSchemas", "patternProperties", "$defs")
        below[key] = {name: counted(one) for name, one in value.items()} if named else counted(value)
    return {**below, COUNTED: 1}


@settings(max_examples=200, deadline=None)
@given(schemas, schemas, schemas, values)
def test_the_estimate_is_never_below_what_the_validator_does(root: Any, a: Any, b: Any, data: Any) -> None:
    looks = 0

    class Counter:
        def __init__(self, parent_schema: Any, value: Any, schema_path: Any) -> None:
            pass

        def validate(self, instance: Any) -> None:
            nonlocal looks
            looks += 1

    whole = counted({"allOf": [root], "$defs": {"a": a, "b": b}})
    cost = SchemaCost(whole, lambda pattern: 0)
    if not cost.goes_round and not cost.exceeds(data, STEPS_MAX):
        jsonschema_rs.Draft202012Validator(whole, keywords={COUNTED: Counter}, offline=True).is_valid(data)
        assert not looks or cost.exceeds(data, looks - 1)
