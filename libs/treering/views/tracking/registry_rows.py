"""What is asked of the registry's rows by key: a model, a version, the latest of each stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sqlite3 import Row

import msgspec
from msgspec import Struct

from treering.adapters.incomplete import incomplete_keys, require_complete
from treering.adapters.sqlite_view import Database
from treering.domain.model import MODEL
from treering.domain.registered_model import REGISTERED_MODEL, registered_model_key
from treering.kernel.pages import ROW_BYTES, rows_that_fit
from treering.kernel.subjects import Address
from treering.views.tracking.registry import Folded, load

MODEL_COLUMNS = "name, key, created_ms, updated_ms, description, tags, aliases, version_last, archived"
VERSION_COLUMNS = (
    "name, version, key, created_ms, updated_ms, description, stage, source, storage, run_id, run_link, model_id, "
    "type, digest, tags, archived"
)
# Between the events of a deletion a version may still be there when its model is not.
SHOWN = (
    "EXISTS (SELECT 1 FROM registered_models r WHERE r.workspace = model_versions.workspace "
    "AND r.name = model_versions.name)"
)
PARENT = "mlflow.parentRunId"
NESTED_MAX = 1000
texts = msgspec.json.Decoder(dict[str, str])
numbers = msgspec.json.Decoder(dict[str, int])


class VersionRow(Struct, frozen=True):
    """A version of a registered model; ``key`` is its key in the log."""

    name: str
    version: int
    key: str
    created_ms: int
    updated_ms: int
    description: str | None
    stage: str
    source: str
    storage: str
    run_id: str
    run_link: str
    model_id: str
    type: str
    digest: str
    tags: dict[str, str]
    archived: bool


class ModelRow(Struct, frozen=True):
    name: str
    key: str
    created_ms: int
    updated_ms: int
    description: str
    tags: dict[str, str]
    aliases: dict[str, int]
    version_last: int
    archived: bool


def model_row(row: Row) -> ModelRow:
    fields = dict(row)
    fields["tags"], fields["aliases"] = texts.decode(row["tags"]), numbers.decode(row["aliases"])
    fields["archived"] = bool(row["archived"])
    return ModelRow(**fields)


def version_row(row: Row) -> VersionRow:
    return VersionRow(**{**dict(row), "tags": texts.decode(row["tags"]), "archived": bool(row["archived"])})


def registered_model(db: Database, workspace: str, name: str) -> ModelRow | None:
    sql = f"SELECT {MODEL_COLUMNS} FROM registered_models WHERE workspace = ? AND name = ?"
    row = db.execute(sql, (workspace, name)).fetchone()
    require_complete(db, Address(workspace, REGISTERED_MODEL.kind, row["key"] if row else registered_model_key(name)))
    return model_row(row) if row else None


def version(db: Database, workspace: str, name: str, number: int) -> VersionRow | None:
    where = "workspace = ? AND name = ? AND version = ?"
    sql = f"SELECT {VERSION_COLUMNS} FROM model_versions WHERE {where} AND {SHOWN}"
    row = db.execute(sql, (workspace, name, number)).fetchone()
    key = row["key"] if row else f"{registered_model_key(name)}:{number}"
    require_complete(db, Address(workspace, MODEL.kind, key))
    return version_row(row) if row else None


def versions(db: Database, workspace: str, name: str) -> list[VersionRow]:
    """All versions of a model, the highest number first."""
    sql = f"SELECT {VERSION_COLUMNS} FROM model_versions WHERE workspace = ? AND name = ? ORDER BY version DESC"
    return shown_versions(db, workspace, db.execute(sql, (workspace, name)))


def shown_versions(db: Database, workspace: str, rows: Iterable[Row]) -> list[VersionRow]:
    """The rows of VERSION_COLUMNS, without those of versions that cannot be shown."""
    gone = incomplete_keys(db, workspace, MODEL.kind)
    return [version_row(row) for row in rows if row["key"] not in gone]


def latest_number(db: Database, workspace: str, key: str) -> int:
    """The highest number of a version that is shown and not archived, of the model with this key; 0 for none."""
    sql = """
    SELECT max(v.version) AS number FROM registered_models r
    JOIN model_versions v ON v.workspace = r.workspace AND v.name = r.name
    WHERE r.workspace = ? AND r.key = ? AND NOT v.archived
    """
    return int(db.execute(sql, (workspace, key)).fetchone()["number"] or 0)


def latest(db: Database, workspace: str, names: Sequence[str]) -> dict[str, list[VersionRow]]:
    """The version with the highest number in each stage, of each of these models."""
    sql = f"""
    SELECT {VERSION_COLUMNS} FROM model_versions WHERE workspace = ? AND name = ? AND version IN
      (SELECT max(version) FROM model_versions WHERE workspace = ? AND name = ? GROUP BY stage)
    ORDER BY version
    """
    return {name: shown_versions(db, workspace, db.execute(sql, (workspace, name, workspace, name))) for name in names}


def in_stage(db: Database, workspace: str, name: str, stage: str) -> list[VersionRow]:
    sql = f"SELECT {VERSION_COLUMNS} FROM model_versions WHERE workspace = ? AND name = ? AND stage = ?"
    return shown_versions(db, workspace, db.execute(sql, (workspace, name, stage)))


def made_by(db: Database, workspace: str, kind: str, command_id: str) -> Folded | None:
    """What the request ``command_id`` created, when it is said again."""
    sql = "SELECT key FROM registry_states WHERE workspace = ? AND kind = ? AND command_id = ?"
    row = db.execute(sql, (workspace, kind, command_id)).fetchone()
    return load(db, Address(workspace, kind, row["key"])) if row else None


def of_run(db: Database, workspace: str, run_id: str, offset: int, limit: int) -> tuple[list[VersionRow | None], bool]:
    """A page of the versions that name a run, or one that is nested in it, the oldest first, with None for one that
    cannot be shown; and whether there may be more."""
    among = [run_id, *nested(db, workspace, run_id)]
    marks = ", ".join("?" * len(among))
    where = f"workspace = ? AND run_id IN ({marks}) AND {SHOWN} ORDER BY created_ms, name, version LIMIT ? OFFSET ?"
    sql = f"SELECT {VERSION_COLUMNS} FROM model_versions WHERE {where}"
    rows, cut = rows_that_fit(db.execute(sql, (workspace, *among, limit, offset)), registry_bytes)
    gone = incomplete_keys(db, workspace, MODEL.kind)
    return [None if row["key"] in gone else version_row(row) for row in rows], cut or len(rows) == limit


def registry_bytes(row: Row) -> int:
    """About what a row of either table holds."""
    return ROW_BYTES + len(row["tags"]) + len(row["description"] or "")


def nested(db: Database, workspace: str, run_id: str) -> list[str]:
    """The runs that name this one as their parent, in its experiment, and that its maker or its job made; at most
    ``NESTED_MAX``."""
    sql = """
    SELECT child.run_id FROM runs parent
    JOIN run_tags t ON t.experiment = parent.experiment AND t.key = ? AND t.value = parent.run_id
    JOIN runs child ON child.number = t.run
    WHERE parent.workspace = ? AND parent.run_id = ?
    AND child.created_by IN (parent.created_by, 'job:' || parent.run_id) LIMIT ?
    """
    return [row["run_id"] for row in db.execute(sql, (PARENT, workspace, run_id, NESTED_MAX))]


def states_of(db: Database, workspace: str, key: str) -> dict[str, Folded]:
    """Every version ever made under the key of a registered model, by its key: also those that are not shown."""
    sql = "SELECT key FROM registry_states WHERE workspace = ? AND kind = ? AND key > ? AND key < ?"
    values = (workspace, MODEL.kind, f"{key}:", f"{key};")  # ";" follows ":"
    keys = [row["key"] for row in db.execute(sql, values)]
    found = {one: load(db, Address(workspace, MODEL.kind, one)) for one in keys}
    return {one: folded for one, folded in found.items() if folded is not None}


def registered_state(db: Database, workspace: str, key: str) -> Folded | None:
    """A registered model by its key, whatever has become of it."""
    require_complete(db, Address(workspace, REGISTERED_MODEL.kind, key))
    return load(db, Address(workspace, REGISTERED_MODEL.kind, key))
