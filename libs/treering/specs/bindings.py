"""Whether the expressions of a text name something that is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from treering.kernel.refusal import Refused
from treering.specs import expressions
from treering.specs.checks import is_true, nearest
from treering.specs.nodes import MapNode, Node, Report, text_of

NAMES_SHOWN_MAX = 12


@dataclass(frozen=True)
class Names:
    """What the expressions of a text may name; None: not known. ``optional`` inputs may have no value."""

    inputs: Collection[str] | None = ()
    outputs: Collection[str] | None = ()
    search_space: Collection[str] | None = ()
    optional: Collection[str] = field(default=())
    words: Collection[str] = field(default=())


def names_of(node: MapNode) -> Names:
    """The names a job, a component or an inline step declares."""
    inputs = node.map("inputs").entries
    optional = [name for name, one in inputs.items() if is_optional(one)]
    return Names(inputs.keys(), node.map("outputs").entries.keys(), (), optional)


def is_optional(node: Node) -> bool:
    """An input that may stay without a value; one with a default always has one."""
    if not isinstance(node, MapNode) or "default" in node.entries:
        return False
    return is_true(node.entries.get("optional"))


def check_text(node: Node | None, names: Names, key: str, report: Report) -> None:
    """Report every expression in a text that names nothing, and optional inputs outside ``$[[ ]]``."""
    written = text_of(node)
    if node is None or written is None:
        return
    try:
        found = expressions.references(written)
    except Refused as refused:
        report.add(node.at, key, refused.detail)
        return
    for one in found:
        if message := fault(one, names):
            report.add(node.at, key, message)


def fault(one: expressions.Reference, names: Names) -> str:
    """What is wrong with one expression; "" when nothing is."""
    groups = {"inputs": names.inputs, "outputs": names.outputs, "search_space": names.search_space}
    if one.group not in groups:
        return "" if one.text[3:-2] in names.words else misplaced(one, names)
    known = groups[one.group]
    if known is not None and one.name not in known and (len(one.parts) < 2 or one.parts[1] not in known):
        return dangling(one, known)
    if one.group == "inputs" and one.name in names.optional and not one.optional:
        return f"{one.text} may have no value: put it in $[[ ]], or give the input a default"
    return ""


def misplaced(one: expressions.Reference, names: Names) -> str:
    if one.group == "parent":
        return f"{one.text} is of a pipeline, and this is not the inputs or outputs of a step"
    allowed = ", ".join(sorted(names.words)) or "inputs.NAME, outputs.NAME"
    return f"{one.text} means nothing here; allowed are {allowed}"


def dangling(one: expressions.Reference, known: Collection[str]) -> str:
    if not known:
        return f"{one.text}: there are no {one.group}"
    listed = ", ".join(sorted(known)[:NAMES_SHOWN_MAX])
    hint = nearest(one.name, known) or f"; there are {listed}"
    return f"{one.text} names none of the {one.group}{hint}"
