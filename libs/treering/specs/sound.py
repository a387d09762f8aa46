"""What is left of a YAML without what is wrong with it, so that all faults of a file are told at once.

The schema is judged first, and what comes after it (files, environments, the rules of a server) relies on it. So the
parts that the schema refuses are taken out, and the rest is judged on.
"""

from __future__ import annotations

from collections.abc import Mapping

from treering.specs.kinds import KINDS
from treering.specs.nodes import MapNode, Node, Place, Report, Scalar

AT = Place("")
PYTHON = MapNode({"python": Scalar("3.11", AT, "3.11")}, {}, AT)
# What stands in for a part that is needed, or that others name.
STAND_INS: Mapping[str, Node] = {
    "command": Scalar("true", AT, "true"),
    "environment": PYTHON,
    "name": Scalar("name", AT, "name"),
    "path": Scalar("azureml:name:1", AT, "azureml:name:1"),
}
# Without one of these, what is around it means something else.
CARRYING = frozenset({"path", "value", "type", "image", "build", "conda_file", "requirements", "python"})
NAMED: Mapping[str, Node] = {"inputs": Scalar("", AT, ""), "outputs": Scalar(None, AT)}


def sound_part(root: MapNode, kind: str, report: Report, known: int = 0) -> MapNode | None:
    """``root`` without what the report says is wrong, but for the first ``known`` problems; None when there is no
    telling the rest apart.

    First only the keys that are named go, then all that is written below the same key of the file.
    """
    keys = [problem.key for problem in report.problems[known:]]
    if not keys:
        return root
    for found in (keys, [key.partition(".")[0].partition("[")[0] for key in keys]):
        left = root
        for key in found:
            left = with_needed(taken_out(left, key), root)
        if left is not root and is_sound(left, kind, report):
            return left
    return None


def is_sound(root: MapNode, kind: str, report: Report) -> bool:
    again = Report(report.folder, need_files=report.need_files, opened=report.opened)
    KINDS[kind](root, "", again)
    return not again.problems


def with_needed(node: Node | None, root: MapNode) -> MapNode:
    entries = node.entries if isinstance(node, MapNode) else {}
    gone = {name: one for name, one in STAND_INS.items() if name in root.entries and name not in entries}
    return MapNode({**entries, **gone}, root.places, root.at)


def taken_out(node: Node, key: str, within: str = "") -> Node | None:
    """``node`` without the part at ``key``, or None: without itself, when it has no such part."""
    if not isinstance(node, MapNode):
        return None
    for name, child in node.entries.items():
        if within and name in CARRYING and (key + ".").startswith((f"{name}.", f"{name}[")):
            return None
        if key == name or key.startswith((f"{name}.", f"{name}[")):
            left = taken_out(child, key[len(name) + 1 :], name) if key != name else None
            return with_part(node, name, left or NAMED.get(within))
    return None if within else node


def with_part(node: MapNode, name: str, left: Node | None) -> MapNode:
    entries = {**node.entries, name: left} if left else {key: one for key, one in node.entries.items() if key != name}
    return MapNode({key: one for key, one in entries.items() if one is not None}, node.places, node.at)
