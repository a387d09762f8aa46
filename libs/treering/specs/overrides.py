"""``--set a.b=c``: values given on the command line, put into the tree before it is judged.

As with ``az ml --set``: a dotted path, list items by index (``a.0.b`` or ``a[0].b``), missing mappings are made, and
a reference given as text gets no parts. What follows ``tags.`` or ``environment_variables.`` is one name, dots and
all. Where the schema says text, the value is text exactly as it was written; elsewhere it is what an unquoted YAML
word is. A value in quotes is the text between them, nothing after the ``=`` is the empty text, and a JSON object or
list is a mapping or a list wherever one is allowed. What is wrong with a value given this way names its ``--set``,
not a line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from treering.kernel.refusal import Refused
from treering.specs.json_values import encodable, json_value
from treering.specs.nodes import ListNode, MapNode, Node, Place, Scalar, shown
from treering.specs.scalars import plain_value

OVERRIDES_MAX = 200
STEPS_MAX = 32
CHARACTERS_MAX = 64 * 1024
INDEX = re.compile(r"\[(\d+)\]")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"", re.DOTALL)
NAMED = re.compile(r"(?P<map>(?:.*\.)?(?:tags|environment_variables))\.(?P<name>.+)", re.DOTALL)


def apply(root: MapNode, overrides: Sequence[str]) -> MapNode:
    """The tree with every override put in, in order; raises ``Refused("set.invalid")``."""
    if len(overrides) > OVERRIDES_MAX:
        raise Refused("set.invalid", f"{len(overrides)} values of --set, at most {OVERRIDES_MAX} are read")
    for text in overrides:
        root = put(root, text)
    return root


def put(root: MapNode, text: str) -> MapNode:
    path, equals, written = encodable(text, Place("--set")).partition("=")
    at = Place(f"--set {path[:80]}")
    steps = steps_of(path)
    if not equals or not all(steps) or len(steps) > STEPS_MAX or len(text) > CHARACTERS_MAX:
        raise Refused("set.invalid", f"--set {text[:80]!r}: write PATH=VALUE, such as inputs.lr=0.1")
    changed = replaced(root, steps, typed(written, at), at)
    assert isinstance(changed, MapNode)  # a mapping stays one
    return changed


def given(root: MapNode, texts: Mapping[str, str], tags: Mapping[str, str] = {}) -> MapNode:
    """The tree with the texts of options such as ``--name`` in place of its own, and with ``--tags``; an empty text
    was not given."""
    for key, text in texts.items():
        if text:
            root = with_text(root, [key], text, Place(f"--{key.replace('_', '-')}"))
    for key, text in tags.items():
        root = with_text(root, ["tags", key], text, Place("--tags"))
    return root


def with_text(root: MapNode, steps: list[str], text: str, at: Place) -> MapNode:
    changed = replaced(root, steps, Scalar(text, at, text), at)
    assert isinstance(changed, MapNode)  # a mapping stays one
    return changed


def steps_of(path: str) -> list[str]:
    named = NAMED.fullmatch(path)
    parts = INDEX.sub(r".\1", named["map"] if named else path).split(".")
    return [*parts, named["name"]] if named else parts


def typed(written: str, at: Place) -> Node:
    if not written or QUOTED.fullmatch(written):
        return Scalar(written[1:-1], at, written[1:-1])
    if written.startswith(("{", "[")) and (found := json_value(written, at)) is not None:
        return found
    try:
        return Scalar(plain_value(written), at, written, given=True)
    except ValueError:  # no number that can be kept: text
        return Scalar(written, at, written, given=True)


def replaced(node: Node | None, steps: list[str], value: Node, at: Place) -> Node:
    """``node`` with ``value`` at the end of ``steps``; shares what it does not change."""
    if not steps:
        return value
    if isinstance(node, ListNode):
        return replaced_item(node, steps, value, at)
    if node is None or (isinstance(node, Scalar) and node.value is None):
        node = MapNode({}, {}, at)
    if isinstance(node, Scalar):
        raise Refused("set.invalid", f"{at}: {shown(node)} has no part {steps[0]!r}; replace it as a whole")
    child = replaced(node.entries.get(steps[0]), steps[1:], value, at)
    places = node.places if steps[0] in node.places else {**node.places, steps[0]: at}
    return MapNode({**node.entries, steps[0]: child}, places, node.at)


def replaced_item(node: ListNode, steps: list[str], value: Node, at: Place) -> ListNode:
    index = int(steps[0]) if steps[0].isascii() and steps[0].isdecimal() and len(steps[0]) < 6 else -1
    if not 0 <= index < len(node.items):
        have = f"has {len(node.items)} items, counted from 0"
        raise Refused("set.invalid", f"{at}: {steps[0]!r} is no index: the list {have}")
    items = list(node.items)
    items[index] = replaced(items[index], steps[1:], value, at)
    return ListNode(tuple(items), node.at)
