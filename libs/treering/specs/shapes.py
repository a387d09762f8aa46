"""Checkers of collections: mappings with known fields, mappings of names, lists, and choices between them.

``record`` names the nearest known key when it meets an unknown one. Each says what it is made of, so that the keys
of a schema can be listed (``keys``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from treering.specs.checks import Check, folded, is_binding, join, nearest, one_of
from treering.specs.nodes import ListNode, MapNode, Node, Report, Scalar, shown, text_of


@dataclass(frozen=True, eq=False)
class Shape:
    """A checker that says what it is made of: ``fields`` by name, the ``items`` of a list or of a mapping of names, and
    ``parts`` that judge the same value."""

    judge: Check
    fields: Mapping[str, Check] = field(default_factory=dict)
    items: tuple[Check, ...] = ()
    parts: tuple[Check, ...] = ()

    def __call__(self, node: Node, key: str, report: Report) -> None:
        self.judge(node, key, report)


def made_of(*parts: Check) -> Callable[[Check], Shape]:
    """Say of a checker that is a function which others it uses."""
    return lambda judge: Shape(judge, parts=parts)


def keys(check: Check, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key that a schema has, as a path; ``*`` stands for any name or index."""
    if not isinstance(check, Shape):
        return
    for name, child in check.fields.items():
        yield (*path, name)
        yield from keys(child, (*path, name))
    for child in check.items:
        yield from keys(child, (*path, "*"))
    for child in check.parts:
        yield from keys(child, path)


def nullable(check: Check) -> Check:
    def checked(node: Node, key: str, report: Report) -> None:
        if not isinstance(node, Scalar) or node.value is not None:
            check(node, key, report)

    return Shape(checked, parts=(check,))


def list_of(check: Check) -> Check:
    def checked(node: Node, key: str, report: Report) -> None:
        if not isinstance(node, ListNode):
            report.add(node.at, key, f"a list is needed here, not {shown(node)}")
            return
        for index, item in enumerate(node.items):
            check(item, f"{key}[{index}]", report)

    return Shape(checked, items=(check,))


def map_of(check: Check, names: re.Pattern[str] | None = None, wanted: str = "") -> Check:
    """A mapping of names to what ``check`` accepts; names match ``names``, which ``wanted`` puts in words."""

    def checked(node: Node, key: str, report: Report) -> None:
        if is_binding(node, report):
            return
        if not isinstance(node, MapNode):
            report.add(node.at, key, f"a mapping is needed here, not {shown(node)}")
            return
        for name, child in node.entries.items():
            if names and not names.fullmatch(name):
                report.add(node.places[name], join(key, name), f"the name {name!r} is not allowed: {wanted}")
            check(child, join(key, name), report)

    return Shape(checked, items=(check,))


def open_record(fields: Mapping[str, Check], required: Iterable[str] = ()) -> Check:
    """A mapping with these fields; Azure ML passes over others, so they are noted."""
    known = record(fields, required)

    def check(node: Node, key: str, report: Report) -> None:
        if isinstance(node, MapNode):
            for name in node.entries.keys() - fields.keys():
                hint = nearest(name, fields)
                report.note(node.places[name], join(key, name), f"is no key of Azure ML, which passes over it{hint}")
            node = MapNode({name: one for name, one in node.entries.items() if name in fields}, node.places, node.at)
        known(node, key, report)

    return Shape(check, parts=(known,))


def record(fields: Mapping[str, Check], required: Iterable[str] = ()) -> Check:
    """A mapping with these fields and no others."""
    needed = tuple(required)

    def check(node: Node, key: str, report: Report) -> None:
        if is_binding(node, report):
            return
        if not isinstance(node, MapNode):
            report.add(node.at, key, f"a mapping is needed here, not {shown(node)}")
            return
        for name in needed:
            if name not in node.entries:
                report.add(node.at, join(key, name), "is missing")
        for name, child in node.entries.items():
            if name in fields:
                fields[name](child, join(key, name), report)
            else:
                message = f"unknown key {name!r}{nearest(name, fields)}"
                report.add(node.places[name], join(key, name), message)

    return Shape(check, fields=fields)


def tagged(field: str, kinds: Mapping[str, Check], default: str = "", *, exact: bool = False) -> Check:
    """A mapping whose ``field`` says which of ``kinds`` it is, in any case unless ``exact``; ``default`` when it does
    not say."""

    def check(node: Node, key: str, report: Report) -> None:
        if is_binding(node, report):
            return
        if not isinstance(node, MapNode):
            report.add(node.at, key, f"a mapping is needed here, not {shown(node)}")
            return
        said = node.entries.get(field)
        if said is None and not default:
            report.add(node.at, join(key, field), f"is missing: one of {', '.join(kinds)}")
            return
        written = text_of(said) or str(said.value) if isinstance(said, Scalar) else default
        word = written if exact else folded(written)
        if word in kinds:
            kinds[word](node, key, report)
        else:
            one_of(*kinds, exact=exact)(said or node, join(key, field), report)

    return Shape(check, parts=tuple(kinds.values()))


def shaped(scalar: Check | None = None, mapping: Check | None = None, items: Check | None = None) -> Check:
    """Different rules for a value, a mapping and a list."""
    words = [word for word, rule in (("a value", scalar), ("a mapping", mapping), ("a list", items)) if rule]

    def check(node: Node, key: str, report: Report) -> None:
        rule = mapping if isinstance(node, MapNode) else items if isinstance(node, ListNode) else scalar
        if rule is None and text_of(node) is not None:
            rule = scalar  # JSON given by --set where no such thing is allowed: text
        if rule is not None:
            rule(node, key, report)
        elif not is_binding(node, report):
            report.add(node.at, key, f"{' or '.join(words)} is needed here, not {shown(node)}")

    return Shape(check, parts=tuple(rule for rule in (scalar, mapping, items) if rule))


def both(*checks: Check) -> Check:
    def checked(node: Node, key: str, report: Report) -> None:
        for check in checks:
            check(node, key, report)

    return Shape(checked, parts=checks)
