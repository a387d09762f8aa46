"""Reads a compute YAML: how many nodes may join, and which of its keys mean nothing here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from treering.kernel.refusal import Refused
from treering.specs.kind_of import kind_of
from treering.specs.kinds import KINDS
from treering.specs.nodes import MapNode, Report, Scalar, words
from treering.specs.overrides import apply, given
from treering.specs.secret_texts import check_tree
from treering.specs.yaml_text import read_yaml

CLUSTER, INSTANCE = "compute/amlcompute", "compute/computeinstance"
READ = ("$schema", "name", "type", "description", "tags", "max_instances")


@dataclass(frozen=True)
class ComputeDraft:
    """``passed_over``: the keys that nothing here carries out."""

    name: str
    nodes_max: int
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()


def load_compute(path: Path, overrides: Sequence[str], texts: Mapping[str, str] = {}) -> ComputeDraft:
    """Read a compute YAML; ``texts`` stand before its own. Raises ``Refused``: ``yaml.*``, ``set.invalid``,
    ``compute.invalid``."""
    root = given(apply(read_yaml(path), overrides), texts)
    kind = kind_of(root) or CLUSTER
    if kind not in (CLUSTER, INSTANCE):
        raise Refused("compute.invalid", f"{path} is a {kind}; a compute target here is an amlcompute that nodes join")
    report = Report(path.parent)
    KINDS[kind](root, "", report)
    check_tree(root, report)
    if report.problems:
        raise Refused("compute.invalid", "\n".join(map(str, report.problems)))
    return ComputeDraft(
        root.text("name"),
        1 if kind == INSTANCE else nodes_max(root),
        root.text("description"),
        words(root.map("tags")),
        tuple(sorted(key for key in root.entries if key not in READ)),
    )


def nodes_max(root: MapNode) -> int:
    """Azure ML allows clusters that may have no node at all; here that is one that nobody needs to join."""
    found = root.entries.get("max_instances")
    return max(1, found.value) if isinstance(found, Scalar) and isinstance(found.value, int) else 100
