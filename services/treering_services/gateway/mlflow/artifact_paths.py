"""Paths of artifacts: which are safe, and whose artifact a path of the proxy is.

Everything the proxy serves has one path below ``mlflow-artifacts:/``. A run's artifacts stand below
``.../<run_id>/artifacts``, a logged model's below ``.../models/<model_id>/artifacts``; the root itself is what the
run or model says (``artifact_uri``), and what lies below no such root belongs to the workspace.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from treering.adapters.sqlite_view import Database
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath
from treering.kernel.subjects import Address
from treering.views.tracking.roots import artifact_root
from treering_services.gateway.mlflow.errors import invalid

SCHEME = "mlflow-artifacts:"
TREES, TREE = "trees", "tree"
HEX = re.compile(r"[0-9a-f]{64}")
PARTS_MAX = 64


class Owned(NamedTuple):
    """An artifact path seen from its owner; ``path`` "" is the owner's artifact root itself."""

    owner: Address
    path: str


def safe_path(raw: str) -> str:
    """``raw`` in its plain form ("" stays ""); MLflow's "Invalid path" otherwise, with the reason where it is no
    attempt to climb (then its clients expect these two words)."""
    try:
        text = SafePath.parse(raw).text
    except Refused as refused:
        raise invalid("Invalid path" if climbs(raw) else f"Invalid path: {why(raw, refused)}.") from None
    if text.startswith("file:"):
        raise invalid("Invalid path")
    if text.count("/") >= PARTS_MAX:
        raise invalid(f"Invalid path: it has more than {PARTS_MAX} parts.")
    return text


def why(raw: str, refused: Refused) -> str:
    """What is wrong with ``raw``, where it is only its "%" which is not seen to be something else."""
    try:
        SafePath.parse(raw.replace("%", "_"))
    except Refused:
        return refused.detail
    return f"a '%' in {raw[-100:]!r}, with what is behind it, stands for another character; take a name without '%'"


def climbs(raw: str) -> bool:
    plain = unquote(unquote(raw)).replace("\\", "/")
    return plain.startswith("/") or ".." in plain.split("/")


def file_path(raw: str) -> str:
    """The path of a file: not empty, and not written as a folder."""
    path = safe_path(raw)
    if not path or raw.endswith("/"):
        raise invalid("Artifact path must include a filename (cannot end with '/').")
    return path


def owned(db: Database, workspace: str, path: str) -> Owned:
    """Whose artifact ``path`` of the proxy is: the owner with the longest root that is its prefix.

    ``trees/<digest>`` is a tree of files by its content (of a model brought from outside), which nobody owns.
    """
    parts = path.split("/")
    if parts[0] == TREES and len(parts) > 1 and HEX.fullmatch(parts[1]):
        return Owned(Address(workspace, TREE, parts[1]), "/".join(parts[2:]))
    for end in range(len(parts) - 1, 0, -1):
        if parts[end] != "artifacts":
            continue
        kind = "logged_model" if end > 1 and parts[end - 2] == "models" else "run"
        owner = Address(workspace, kind, parts[end - 1])
        if proxied(artifact_root(db, owner)) == "/".join(parts[: end + 1]):
            return Owned(owner, "/".join(parts[end + 1 :]))
    return Owned(Address(workspace, "workspace", workspace), path)


def proxied(uri: str | None) -> str | None:
    """The path that ``mlflow-artifacts:`` URIs name ("" is the root of all); None for any other URI."""
    if uri is None or not uri.startswith(SCHEME):
        return None
    rest = uri.removeprefix(SCHEME)
    if rest.startswith("//"):  # //host/path: the host is ours, or the client would not have come here
        rest = rest[2:].partition("/")[2]
    return "/".join(part for part in rest.split("/") if part)
