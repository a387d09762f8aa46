"""Reads a compute YAML: how many nodes may join, and which of its keys mean nothing here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from treering.domain.compute import Compute, CreateCompute, decide
from treering.kernel.decoding import decode
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name
from treering.specs.blame import place_in
from treering.specs.given_file import folder_of, read_given
from treering.specs.kind_of import kind_of
from treering.specs.nodes import MapNode, Report, Scalar, words
from treering.specs.overrides import apply, given
from treering.specs.submitted import faults
from treering.specs.whole_file import is_sound

CLUSTER, INSTANCE = "compute/amlcompute", "compute/computeinstance"


@dataclass(frozen=True)
class ComputeDraft:
    """``body`` is what the installation is asked for; ``notes`` say what nothing here carries out."""

    name: str
    body: dict[str, Any]
    notes: tuple[str, ...] = ()


def load_compute(
    path: Path, overrides: Sequence[str], texts: Mapping[str, str] = {}, tags: Mapping[str, str] = {}
) -> ComputeDraft:
    """Read a compute YAML; ``texts`` and ``tags`` stand before its own. Raises ``Refused``: ``yaml.*``,
    ``set.invalid``, ``compute.invalid``."""
    root = given(apply(read_given(path), overrides), texts, tags)
    kind = kind_of(root) or CLUSTER
    if kind not in (CLUSTER, INSTANCE):
        raise Refused("compute.invalid", f"{path} is a {kind}; a compute target here is an amlcompute that nodes join")
    report = Report(folder_of(path))
    draft = prepared_compute(root, kind, report)
    report.refuse("compute.invalid")
    assert draft is not None  # nothing is wrong with it
    return draft


def prepared_compute(root: MapNode, kind: str, report: Report) -> ComputeDraft | None:
    """The draft of a compute target, else None, and the report says why.

    The one verdict of ``validate`` and ``compute create`` on what needs no server.
    """
    if not is_sound(root, kind, report):
        return None
    body = {
        "compute_type": "nodes",
        "nodes_max": 1 if kind == INSTANCE else nodes_max(root),
        "description": root.text("description"),
        "tags": words(root.map("tags")),
    }
    for refused in faults(
        [
            lambda: checked_name(root.text("name"), "name"),
            lambda: decide(Compute(), decode(msgspec.json.encode({"type": "create", **body}), CreateCompute)),
        ]
    ):
        report.refused(place_in(root, refused.detail, {"nodes_max": "max_instances"}), "", refused)
    if report.problems:
        return None
    return ComputeDraft(root.text("name"), body, tuple(one.sentence for one in report.notes))


def nodes_max(root: MapNode) -> int:
    """Azure ML allows clusters that may have no node at all; here that is one that nobody needs to join."""
    found = root.entries.get("max_instances")
    return max(1, found.value) if isinstance(found, Scalar) and isinstance(found.value, int) else 100
