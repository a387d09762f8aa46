"""The YAML that ``-f`` names: a file, or what another program writes (``-``, ``/dev/stdin``, ``<(...)`` of a shell).

Relative paths in it start at the folder of the file; what comes from a program has none, so there they start at the
working directory. Only the YAML of the command line itself may come so, none that a YAML names.
"""

from __future__ import annotations

import re
from pathlib import Path

from treering.specs.nodes import MapNode
from treering.specs.yaml_text import parse_yaml, read_from, read_yaml

STDIN = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
DESCRIPTOR = re.compile(r"(?:/dev|/proc/self)/fd/\d{1,6}")


def is_stream(path: Path) -> bool:
    return str(path) in STDIN or DESCRIPTOR.fullmatch(str(path)) is not None


def folder_of(path: Path) -> Path:
    """Where relative paths of this YAML start."""
    return Path() if is_stream(path) else path.parent


def read_given(path: Path) -> MapNode:
    """The mapping that ``path`` holds; raises ``Unreadable`` (codes ``yaml.*``)."""
    if not is_stream(path):
        return read_yaml(path)
    at_stdin = str(path) in STDIN
    name = "<stdin>" if at_stdin else "<pipe>"
    return parse_yaml(read_from(0 if at_stdin else str(path), name), name)
