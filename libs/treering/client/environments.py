"""Reads an environment YAML into what the installation is asked to create."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from treering.kernel.refusal import Refused
from treering.specs.curated import KIND, prepared_environment
from treering.specs.given_file import folder_of, read_given
from treering.specs.kind_of import kind_of
from treering.specs.nodes import MapNode, Place, Report, Scalar, words
from treering.specs.overrides import apply, given


def load_environment(
    path: Path | None,
    overrides: Sequence[str],
    options: Mapping[str, str] = {},
    tags: Mapping[str, str] = {},
    notes: list[str] | None = None,
) -> dict[str, Any]:
    """The body of POST .../environments; ``options`` and ``tags`` stand before what the file says, if there is one.

    ``notes`` gets a sentence for each key that is not carried out.

    Raises ``Refused``: ``yaml.*``, ``set.invalid``, ``environment.*``.
    """
    root = given(apply(read_given(path) if path else MapNode({}, {}, Place("")), overrides), options, tags)
    kind = (kind_of(root) if path else "") or KIND
    if kind != KIND:
        raise Refused("environment.invalid", f"{path} is a {kind}, not an environment")
    report = Report(folder_of(path) if path else Path())
    spec = prepared_environment(root, report)
    report.refuse("environment.invalid")
    if notes is not None:
        notes.extend(one.sentence for one in report.notes)
    said = root.entries.get("version")
    return {
        "name": root.text("name"),
        "version": said.written if isinstance(said, Scalar) else "",
        "spec": msgspec.to_builtins(spec),
        "description": root.text("description"),
        "tags": words(root.map("tags")),
    }
