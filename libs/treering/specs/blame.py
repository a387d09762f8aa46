"""Finds where what is refused was written: its key, or the value of ``--set`` or an option that it repeats."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from treering.specs.nodes import ListNode, MapNode, Node, Place, Scalar, word

FIELD = re.compile(r"at `\$\.([A-Za-z0-9_.]+)")  # how a decoder names the key
CHARACTERS_MIN = 2


def place_in(root: Node, detail: str, names: Mapping[str, str] = {}) -> Place:
    """The place of the value that ``detail`` is about. ``names``: where the YAML has another word for a key."""
    field = FIELD.search(detail)
    key = field[1] if field else detail.partition(":")[0].partition(" ")[0]
    steps = names.get(key, key).split(".")
    if isinstance(root, MapNode) and steps[0] in root.entries:
        return place_of(root, steps)
    repeated = [one for one in given(root) if f"'{word(one)}" in detail and len(word(one)) >= CHARACTERS_MIN]
    return repeated[0].at if repeated else root.at


def place_of(root: Node, steps: list[str]) -> Place:
    """The place of the last of the steps that is there."""
    node = root
    for step in steps:
        if not isinstance(node, MapNode) or step not in node.entries:
            break
        node = node.entries[step]
    return node.at


def given(node: Node) -> Iterator[Scalar]:
    """The values that no file has: those of ``--set``, and of options such as ``--image``."""
    if isinstance(node, Scalar):
        if node.at.file.startswith("--"):
            yield node
        return
    for child in node.items if isinstance(node, ListNode) else node.entries.values():
        yield from given(child)
