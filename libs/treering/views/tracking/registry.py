"""Registered models and their versions as MLflow's registry API shows them: a row each, made from the folded state.

A name that holds no model now (it was deleted, or given away) has no row, nor has a version of it; both stay in
``registry_states``, so that what is restored is shown again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from treering.adapters.sqlite_view import Database
from treering.domain import KINDS
from treering.domain.model import (
    MODEL,
    ModelCreated,
    ModelState,
    ModelTagged,
    ModelTransferred,
    ModelUntagged,
    StageChanged,
)
from treering.domain.registered_model import REGISTERED_MODEL, RegisteredModel
from treering.domain.registered_model_messages import (
    AliasAssigned,
    AliasRemoved,
    RegisteredModelCreated,
    RegisteredModelTagged,
    RegisteredModelTransferred,
    RegisteredModelUntagged,
)
from treering.kernel.log import encoder
from treering.kernel.points import PointsEntry
from treering.kernel.subjects import Address
from treering.views.tracking.parts import Change

PROMPT = "mlflow.prompt.is_prompt"
CREATIONS = (RegisteredModelCreated, ModelCreated)
TRANSFERS = (RegisteredModelTransferred, ModelTransferred)
# MLflow does not count these as an update of the model or the version they are about.
QUIET = (RegisteredModelTagged, RegisteredModelUntagged, AliasAssigned, AliasRemoved, ModelTagged, ModelUntagged)


class Folded(NamedTuple):
    """A resource of the registry as the log has left it. Times are milliseconds since 1970."""

    state: Any
    created_ms: int
    updated_ms: int
    command_id: str  # of the request that created it


class RegistryPart:
    version = "2"
    kinds = frozenset({REGISTERED_MODEL.kind, MODEL.kind})
    schema = """
    CREATE TABLE IF NOT EXISTS registry_states (
      workspace TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, state BLOB NOT NULL,
      created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, command_id TEXT NOT NULL,
      PRIMARY KEY (workspace, kind, key)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS registry_commands ON registry_states (workspace, kind, command_id);
    CREATE TABLE IF NOT EXISTS registered_models (
      workspace TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, created_ms INTEGER NOT NULL,
      updated_ms INTEGER NOT NULL, description TEXT NOT NULL, tags BLOB NOT NULL, aliases BLOB NOT NULL,
      version_last INTEGER NOT NULL, archived INTEGER NOT NULL,
      PRIMARY KEY (workspace, name)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS registered_models_updated ON registered_models (workspace, updated_ms, name);
    CREATE INDEX IF NOT EXISTS registered_models_key ON registered_models (workspace, key);
    CREATE TABLE IF NOT EXISTS registered_model_tags (
      workspace TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY (workspace, name, key)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS model_versions (
      workspace TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, key TEXT NOT NULL,
      created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, description TEXT, stage TEXT NOT NULL,
      source TEXT NOT NULL, storage TEXT NOT NULL, run_id TEXT NOT NULL, run_link TEXT NOT NULL,
      model_id TEXT NOT NULL, type TEXT NOT NULL, digest TEXT NOT NULL, tags BLOB NOT NULL,
      archived INTEGER NOT NULL,
      PRIMARY KEY (workspace, name, version)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS model_versions_stage ON model_versions (workspace, name, stage, version);
    CREATE INDEX IF NOT EXISTS model_versions_run ON model_versions (workspace, run_id);
    CREATE INDEX IF NOT EXISTS model_versions_model ON model_versions (workspace, model_id) WHERE model_id <> '';
    CREATE INDEX IF NOT EXISTS model_versions_updated ON model_versions (workspace, updated_ms, name);
    CREATE TABLE IF NOT EXISTS model_version_tags (
      workspace TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY (workspace, name, version, key)
    ) WITHOUT ROWID;
    """

    def change(self, db: Database, change: Change) -> None:
        before = load(db, change.address)
        after = fold(before, change)
        store(db, change.address, after)
        if change.address.kind == REGISTERED_MODEL.kind:
            forget_registered_model(db, change.address, before)
            write_registered_model(db, change.address, after)
        else:
            forget_version(db, change.address, before)
            write_version(db, change.address, after)
            touch_registered_model(db, change)

    def points(self, db: Database, entries: Sequence[PointsEntry]) -> None:
        pass


def fold(before: Folded | None, change: Change) -> Folded:
    kind = KINDS[change.address.kind]
    state = kind.fold(change.events, before.state if before else None)
    created_ms, command_id = (before.created_ms, before.command_id) if before else (change.at_ms, "")
    updated_ms = before.updated_ms if before else change.at_ms
    for event in change.events:
        if isinstance(event, CREATIONS):
            created_ms, command_id = change.at_ms, change.commit.command_id
        if isinstance(event, TRANSFERS):
            created_ms = moment_ms(created_elsewhere(event), change.at_ms)
        if not isinstance(event, QUIET):
            updated_ms = change.at_ms
    return Folded(state, created_ms, updated_ms, command_id)


def created_elsewhere(event: RegisteredModelTransferred | ModelTransferred) -> datetime | None:
    return event.holding.created_at if isinstance(event, RegisteredModelTransferred) else event.state.created_at


def moment_ms(moment: datetime | None, default_ms: int) -> int:
    return round(moment.timestamp() * 1000) if moment else default_ms


def load(db: Database, address: Address) -> Folded | None:
    """A resource of the registry, whether it is shown or not."""
    columns = "state, created_ms, updated_ms, command_id"
    sql = f"SELECT {columns} FROM registry_states WHERE workspace = ? AND kind = ? AND key = ?"
    row = db.execute(sql, address).fetchone()
    if row is None:
        return None
    return Folded(KINDS[address.kind].states.decode(row[0]), row[1], row[2], row[3])


def store(db: Database, address: Address, folded: Folded) -> None:
    values = (*address, encoder.encode(folded.state), folded.created_ms, folded.updated_ms, folded.command_id)
    db.execute("INSERT OR REPLACE INTO registry_states VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def forget_registered_model(db: Database, address: Address, before: Folded | None) -> None:
    if before is None:
        return
    row = (address.workspace, before.state.holding.name)
    for table in ("registered_models", "registered_model_tags"):
        db.execute(f"DELETE FROM {table} WHERE workspace = ? AND name = ?", row)


def write_registered_model(db: Database, address: Address, folded: Folded) -> None:
    model: RegisteredModel = folded.state
    if model.status != "active":
        return
    holding = model.holding
    values = (
        address.workspace, holding.name, address.key, folded.created_ms, folded.updated_ms, holding.description,
        encoder.encode(holding.tags), encoder.encode(holding.aliases), holding.version_last, model.archived,
    )  # fmt: skip
    db.execute(f"INSERT OR REPLACE INTO registered_models VALUES ({marks(values)})", values)
    tags = [(address.workspace, holding.name, key, value) for key, value in holding.tags.items()]
    db.executemany("INSERT OR REPLACE INTO registered_model_tags VALUES (?, ?, ?, ?)", tags)


def forget_version(db: Database, address: Address, before: Folded | None) -> None:
    if before is None or before.state.spec is None:
        return
    row = (address.workspace, before.state.spec.name, before.state.spec.version)
    for table in ("model_versions", "model_version_tags"):
        db.execute(f"DELETE FROM {table} WHERE workspace = ? AND name = ? AND version = ?", row)


def write_version(db: Database, address: Address, folded: Folded) -> None:
    model: ModelState = folded.state
    spec = model.spec
    if spec is None or model.status != "active":
        return
    values = (
        address.workspace, spec.name, spec.version, address.key, folded.created_ms, folded.updated_ms,
        model.description, model.stage, spec.source, spec.storage, spec.run_id, spec.run_link, spec.model_id, spec.type,
        spec.digest, encoder.encode(model.tags), model.archived,
    )  # fmt: skip
    db.execute(f"INSERT OR REPLACE INTO model_versions VALUES ({marks(values)})", values)
    tags = [(address.workspace, spec.name, spec.version, key, value) for key, value in model.tags.items()]
    db.executemany("INSERT OR REPLACE INTO model_version_tags VALUES (?, ?, ?, ?, ?)", tags)


def touch_registered_model(db: Database, change: Change) -> None:
    """A change of a version's stage is an update of its model too, as MLflow counts it."""
    if not any(isinstance(event, StageChanged) for event in change.events):
        return
    values = (change.at_ms, change.address.workspace, model_key(change.address.key))
    where = "workspace = ? AND key = ?"
    db.execute(f"UPDATE registered_models SET updated_ms = max(updated_ms, ?) WHERE {where}", values)
    of_kind = f"{where} AND kind = '{REGISTERED_MODEL.kind}'"
    db.execute(f"UPDATE registry_states SET updated_ms = max(updated_ms, ?) WHERE {of_kind}", values)


def model_key(version_key: str) -> str:
    """The key of the registered model that a version (``key:version``) belongs to."""
    return version_key.rpartition(":")[0]


def marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)
