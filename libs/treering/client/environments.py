"""Reads an environment YAML into what the installation is asked to create."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from treering.kernel.refusal import Refused
from treering.specs.curated import KIND, prepared_environment
from treering.specs.kind_of import kind_of
from treering.specs.nodes import Report, Scalar, words
from treering.specs.overrides import apply, given
from treering.specs.yaml_text import read_yaml


def load_environment(
    path: Path, overrides: Sequence[str], name: str, version: str, notes: list[str] | None = None
) -> dict[str, Any]:
    """The body of POST .../environments; ``name`` and ``version`` stand before those of the file.

    ``notes`` gets a sentence for each key that is not carried out.

    Raises ``Refused``: ``yaml.*``, ``set.invalid``, ``environment.*``.
    """
    root = given(apply(read_yaml(path), overrides), {"name": name, "version": version})
    kind = kind_of(root) or KIND
    if kind != KIND:
        raise Refused("environment.invalid", f"{path} is a {kind}, not an environment")
    report = Report(path.parent)
    spec = prepared_environment(root, report)
    report.refuse("environment.invalid")
    if notes is not None:
        notes.extend(f"{one.key} {one.message}" for one in report.notes)
    said = root.entries.get("version")
    return {
        "name": root.text("name"),
        "version": said.written if isinstance(said, Scalar) else "",
        "spec": msgspec.to_builtins(spec),
        "description": root.text("description"),
        "tags": words(root.map("tags")),
    }
