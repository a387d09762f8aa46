"""JSON objects and lists that are given as the value of ``--set``, as trees.

Those in single quotes, which shells that eat double ones make people write, are read as YAML, as Azure's tools take
them.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, NamedTuple

from treering.kernel.refusal import Refused
from treering.specs.nodes import ListNode, MapNode, Node, Place, Scalar
from treering.specs.scalars import plain_value
from treering.specs.yaml_text import DEPTH_MAX, parse_yaml

SINGLE_QUOTED = re.compile(r"[\[{]\s*'")


class Number(NamedTuple):
    """A number as it is written, which a float no longer tells."""

    written: str


class Pairs(list[tuple[str, Any]]):
    """An object with its keys in order, those that stand there twice too."""


def json_value(text: str, at: Place) -> MapNode | ListNode | None:
    """The tree of a JSON object or list, which can be text too where text is needed; None when it is neither.

    Raises ``Refused("set.invalid")`` for one that is too deep or has a key twice.
    """
    if SINGLE_QUOTED.match(text):
        return single_quoted(text, at)
    try:
        found = json.loads(text, object_pairs_hook=Pairs, parse_int=Number, parse_float=Number, parse_constant=Number)
    except ValueError:
        return None
    except RecursionError as error:
        raise too_deep(at) from error
    node = tree(found, at, 1)
    assert isinstance(node, MapNode | ListNode)
    return replace(node, given=text)


def single_quoted(text: str, at: Place) -> MapNode | ListNode | None:
    try:
        node = parse_yaml(f"value: {text}", str(at)).entries["value"]
    except Refused:
        return None
    return replace(node, given=text) if isinstance(node, MapNode | ListNode) else None


def tree(found: object, at: Place, depth: int) -> Node:
    if depth > DEPTH_MAX:
        raise too_deep(at)
    if isinstance(found, Pairs):
        entries: dict[str, Node] = {}
        for key, value in found:
            if key in entries:
                raise Refused("set.invalid", f"{at}: the key {key[:80]!r} is there twice")
            entries[encodable(key, at)] = tree(value, at, depth + 1)
        return MapNode(entries, dict.fromkeys(entries, at), at)
    if isinstance(found, list):
        return ListNode(tuple(tree(one, at, depth + 1) for one in found), at)
    return leaf(found, at)


def leaf(found: object, at: Place) -> Scalar:
    """A number, true or false is text too where text is needed; null is nothing."""
    if isinstance(found, Number):
        try:
            return Scalar(plain_value(found.written), at, found.written, given=True)
        except ValueError:
            return Scalar(found.written, at, found.written, given=True)
    if isinstance(found, bool):
        return Scalar(found, at, str(found).lower(), given=True)
    return Scalar(None, at) if found is None else Scalar(encodable(str(found), at), at, str(found))


def encodable(text: str, at: Place) -> str:
    """The text, which can be written to the log; half a character, or bytes that are not UTF-8, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Refused("set.invalid", f"{at}: character {error.start + 1} is not UTF-8 text") from error
    return text


def too_deep(at: Place) -> Refused:
    return Refused("set.invalid", f"{at}: the JSON is nested more than {DEPTH_MAX} levels deep")
