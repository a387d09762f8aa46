"""``--set`` of an ``update``: which texts and tags of a resource are to be others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from treering.kernel.refusal import Refused
from treering.specs.checks import nearest, text
from treering.specs.kinds.parts import tags as judged_tags
from treering.specs.nodes import MapNode, Node, Place, Report, Scalar, words
from treering.specs.overrides import apply, steps_of
from treering.specs.shapes import record

NOWHERE = Place("")


def changed_texts(
    overrides: Sequence[str], tags: Mapping[str, str], names: Sequence[str]
) -> dict[str, str | dict[str, str]]:
    """The new texts of those of ``names`` that are set, and with ``tags`` all tags as they are to be.

    It reads as ``create --set`` does. Raises ``Refused("set.invalid")`` for a key that cannot be changed.
    """
    keys = [steps_of(override.partition("=")[0])[0] for override in overrides]
    if "" in keys:
        raise Refused("set.invalid", f"--set names nothing before the '=': write {names[0]}=VALUE or tags.NAME=VALUE")
    listed = ", ".join((*names, "tags.NAME"))
    if wrong := [key for key in dict.fromkeys(keys) if key not in (*names, "tags")]:
        said = [f"--set {key[:80]}: only {listed} can be changed{nearest(key, names)}" for key in wrong]
        raise Refused("set.invalid", "\n".join(said))
    before: dict[str, Node] = {name: Scalar(value, NOWHERE, value) for name, value in tags.items()}
    root = apply(MapNode({"tags": MapNode(before, {}, NOWHERE)}, {}, NOWHERE), overrides)
    report = Report(Path())
    record({**dict.fromkeys(names, text), "tags": judged_tags})(root, "", report)
    if report.problems:
        raise Refused("set.invalid", "\n".join(map(str, report.problems)))
    texts: dict[str, str | dict[str, str]] = {name: root.text(name) for name in names if name in keys}
    kept = {name: value for name, value in words(root.map("tags")).items() if value}
    return {**texts, "tags": kept} if "tags" in keys else texts
