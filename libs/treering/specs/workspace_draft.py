"""Reads a workspace YAML: its names, and which of its keys are about a cloud that is not here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from treering.domain.workspace import CreateWorkspace
from treering.kernel.decoding import decode
from treering.kernel.refusal import Refused
from treering.kernel.subjects import checked_name
from treering.specs.blame import place_in
from treering.specs.given_file import folder_of, read_given
from treering.specs.kind_of import kind_of
from treering.specs.nodes import MapNode, Report, words
from treering.specs.overrides import apply, given
from treering.specs.submitted import faults
from treering.specs.whole_file import is_sound

KIND, PARTIAL = "workspace", "workspace/partial"
TEXTS = ("display_name", "description")


class WorkspaceDraft(NamedTuple):
    """``body`` is what the installation is asked for; ``notes`` say what nothing here carries out."""

    name: str
    body: dict[str, Any]
    notes: tuple[str, ...]


def load_workspace(
    path: Path, overrides: Sequence[str], texts: Mapping[str, str] = {}, tags: Mapping[str, str] = {}
) -> WorkspaceDraft:
    """``texts`` and ``tags`` stand before those of the file; ``Refused``: ``yaml.*``, ``set.invalid``,
    ``workspace.invalid``. Of a file for an update ``body`` has only what it says."""
    root = given(apply(read_given(path), overrides), texts, tags)
    kind = kind_of(root) or PARTIAL
    if kind not in (KIND, PARTIAL):
        raise Refused("workspace.invalid", f"{path} is a {kind}, not a workspace")
    report = Report(folder_of(path))
    draft = prepared_workspace(root, kind, report)
    report.refuse("workspace.invalid")
    assert draft is not None  # nothing is wrong with it
    return draft


def prepared_workspace(root: MapNode, kind: str, report: Report) -> WorkspaceDraft | None:
    """The draft of a workspace, else None, and the report says why.

    The one verdict of ``validate``, ``workspace create`` and ``update`` on what needs no server.
    """
    if not is_sound(root, kind, report):
        return None
    body: dict[str, Any] = {key: root.text(key) for key in TEXTS if key in root.entries}
    if "tags" in root.entries:
        body["tags"] = words(root.map("tags"))
    name = root.text("name")
    for refused in faults(
        [
            lambda: name and checked_name(name, "name"),
            lambda: decode(msgspec.json.encode({"type": "create", **body}), CreateWorkspace),
        ]
    ):
        report.refused(place_in(root, refused.detail), "", refused)
    if report.problems:
        return None
    return WorkspaceDraft(name, body, tuple(one.sentence for one in report.notes))
