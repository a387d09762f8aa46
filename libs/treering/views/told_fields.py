"""What subscribers see of an event: the fields that its kind declares (``Aggregate.told``), and all where it declares
none. The log, and so the audit API, has them all."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from treering.domain import KINDS
from treering.kernel.log import encoder

Fields = dict[str, Any]  # by name, what is told of the field; nothing more is the whole of it


@cache
def fields_told() -> dict[str, Fields]:
    """By the types of events that declare what is told."""
    return {tag: tree_of(paths) for kind in KINDS.values() for tag, paths in kind.told.items()}


def tree_of(paths: Iterable[str]) -> Fields:
    """``a.b`` is the field b of the field a, or of each item of it."""
    tree: Fields = {}
    for path in paths:
        node = tree
        for name in path.split("."):
            node = node.setdefault(name, {})
    return tree


def told(type: str, body: msgspec.Raw) -> msgspec.Raw:
    """The event as subscribers see it."""
    fields = fields_told().get(type)
    if fields is None:
        return body
    return msgspec.Raw(encoder.encode(only(msgspec.json.decode(body), {"type": {}, **fields})))


def only(value: Any, fields: Fields) -> Any:
    if not fields:
        return value
    if isinstance(value, list):
        return [only(item, fields) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: only(one, fields[name]) for name, one in value.items() if name in fields}


def schema_told(type: str, schema: Any, components: Any) -> Any:
    """The JSON Schema of an event of ``type`` as subscribers see it; ``components`` are those it refers to."""
    fields = fields_told().get(type)
    return schema if fields is None else only_in(schema, {"type": {}, **fields}, components)


def only_in(schema: Any, fields: Fields, components: Any) -> Any:
    if not fields:
        return schema
    if "$ref" in schema:
        return only_in(components[schema["$ref"].rpartition("/")[2]], fields, components)
    if "anyOf" in schema:
        return {**schema, "anyOf": [only_in(one, fields, components) for one in schema["anyOf"]]}
    if "items" in schema:
        return {**schema, "items": only_in(schema["items"], fields, components)}
    if "properties" not in schema:
        return schema
    properties = {
        name: only_in(one, fields[name], components) for name, one in schema["properties"].items() if name in fields
    }
    required = [name for name in schema.get("required", ()) if name in fields]
    return {**schema, "properties": properties, "required": required}
