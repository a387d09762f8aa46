"""Where the artifacts of a run, a logged model or a model version are kept."""

from __future__ import annotations

from treering.adapters.sqlite_view import Database
from treering.kernel.subjects import Address


def artifact_root(db: Database, owner: Address) -> str | None:
    """The ``artifact_uri`` of a run or logged model; None when there is none of this name."""
    return None


def version_source(db: Database, workspace: str, name: str, version: str) -> str | None:
    """What a model version was made from; None when there is no such version."""
    return None
