"""Reads a workspace YAML: its names, and which of its keys are about a cloud that is not here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from treering.kernel.refusal import Refused
from treering.specs.kind_of import kind_of
from treering.specs.kinds import KINDS
from treering.specs.nodes import Report, words
from treering.specs.overrides import apply, given
from treering.specs.secret_texts import check_tree
from treering.specs.yaml_text import read_yaml

KIND = "workspace"
READ = ("$schema", "name", "display_name", "description", "tags", "type")


class WorkspaceDraft(NamedTuple):
    """``body`` is what the installation is asked for; ``passed_over`` are the keys that nothing here carries out."""

    name: str
    body: dict[str, Any]
    passed_over: tuple[str, ...]


def load_workspace(
    path: Path, overrides: Sequence[str], texts: Mapping[str, str], tags: Mapping[str, str]
) -> WorkspaceDraft:
    """``texts`` and ``tags`` stand before those of the file; ``Refused``: ``yaml.*``, ``set.invalid``,
    ``workspace.invalid``."""
    root = given(apply(read_yaml(path), overrides), texts, tags)
    kind = kind_of(root) or KIND
    if kind != KIND:
        raise Refused("workspace.invalid", f"{path} is a {kind}, not a workspace")
    report = Report(path.parent)
    KINDS[KIND](root, "", report)
    check_tree(root, report)
    report.refuse("workspace.invalid")
    body = {"display_name": root.text("display_name"), "description": root.text("description")}
    left = tuple(sorted(key for key in root.entries if key not in READ))
    return WorkspaceDraft(root.text("name"), {**body, "tags": words(root.map("tags"))}, left)
