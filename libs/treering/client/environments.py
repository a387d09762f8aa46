"""Reads an environment YAML into what the installation is asked to create."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused
from treering.specs.curated import resolve_environment
from treering.specs.environment_draft import from_map
from treering.specs.kind_of import kind_of
from treering.specs.kinds import KINDS
from treering.specs.nodes import Report, Scalar, words
from treering.specs.overrides import apply, given
from treering.specs.yaml_text import read_yaml

KIND = "environment"


def load_environment(path: Path, overrides: Sequence[str], name: str, version: str) -> dict[str, Any]:
    """The body of POST .../environments; ``name`` and ``version`` stand before those of the file.

    Raises ``Refused``: ``yaml.*``, ``set.invalid``, ``environment.*``.
    """
    root = given(apply(read_yaml(path), overrides), {"name": name, "version": version})
    kind = kind_of(root) or KIND  # with nothing but python and requirements it could be anything
    if kind != KIND:
        raise Refused("environment.invalid", f"{path} is a {kind}, not an environment")
    report = Report(path.parent)
    KINDS[KIND](root, "", report)
    draft = from_map(root, report)
    if report.problems:
        raise Refused("environment.invalid", "\n".join(map(str, report.problems)))
    spec = resolve_environment(draft)
    if not isinstance(spec, EnvironmentSpec):
        raise Refused("environment.invalid", f"{path} only refers to {spec!r}; it must say what to install")
    said = root.entries.get("version")
    return {
        "name": draft.name,
        "version": said.written if isinstance(said, Scalar) else "",
        "spec": msgspec.to_builtins(spec),
        "description": root.text("description"),
        "tags": words(root.map("tags")),
    }
