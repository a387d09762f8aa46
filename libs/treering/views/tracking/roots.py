"""Where the artifacts of a run, a logged model or a model version are kept."""

from __future__ import annotations

from treering.adapters.incomplete import require_complete
from treering.adapters.sqlite_view import Database
from treering.domain.logged_model import LOGGED_MODEL
from treering.domain.run import RUN
from treering.kernel.subjects import Address
from treering.views.tracking import registry_rows
from treering.views.tracking.run_reads import run_info

VERSION_DIGITS_MAX = 10


def artifact_root(db: Database, owner: Address) -> str | None:
    """The ``artifact_uri`` of a run or logged model; None when there is none of this name."""
    if owner.kind == RUN.kind:
        found = run_info(db, owner.workspace, owner.key)
        return found.artifact_uri if found else None
    if owner.kind == LOGGED_MODEL.kind:
        require_complete(db, owner)
        sql = "SELECT artifact_uri FROM logged_models WHERE workspace = ? AND model_id = ?"
        row = db.execute(sql, (owner.workspace, owner.key)).fetchone()
        return str(row["artifact_uri"]) if row else None
    return None


def version_source(db: Database, workspace: str, name: str, version: str) -> str | None:
    """Where the files of a model version are; None when there is no such version."""
    if not (version.isascii() and version.isdecimal() and len(version) <= VERSION_DIGITS_MAX):
        return None
    row = registry_rows.version(db, workspace, name, int(version))
    return row.storage or row.source if row else None
