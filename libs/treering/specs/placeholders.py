"""``<Enter the name of your compute>``: what an example leaves for its reader to fill in, and was not."""

from __future__ import annotations

import re

from treering.specs.checks import join
from treering.specs.nodes import MapNode, Node, Report, Scalar, text_of

PLACEHOLDER = re.compile(r"<[^<>\n]{1,200}>|^\s*(\{\{[^{}\n]{1,200}\}\}|\[\[[^\[\]\n]{1,200}\]\])\s*$")
# Keys that name something. Elsewhere such signs may mean what they say: in a command, a requirement, a description.
NAMING = frozenset({"compute", "code", "environment", "image", "conda_file", "path", "name", "experiment_name"})


def report_placeholders(node: Node, report: Report, key: str = "") -> None:
    """Report every name or path of a file that is a placeholder, or has one in it."""
    if isinstance(node, MapNode):
        for name, child in node.entries.items():
            if name in NAMING or not isinstance(child, Scalar):
                report_placeholders(child, report, join(key, name))
    elif found := PLACEHOLDER.search(text_of(node) or ""):
        what = f"{found[0]!r} is a placeholder that nobody filled in"
        report.add(node.at, key, f"{what}: write what it stands for, here or with --set {key}=VALUE")
