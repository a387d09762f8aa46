"""Logged models as MLflow's API shows them: their parameters, tags, and every metric point measured on them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from sqlite3 import Row
from typing import Any

from msgspec import Struct

from treering.adapters.incomplete import incomplete_keys, require_complete
from treering.adapters.sqlite_view import Database
from treering.domain.artifact_messages import ArtifactDeleted, ArtifactLogged
from treering.domain.logged_model import (
    LOGGED_MODEL,
    LoggedModel,
    LoggedModelDeleted,
    LoggedModelFinalized,
    LoggedModelSpec,
)
from treering.kernel.log import encoder
from treering.kernel.pages import NO_END, ROW_BYTES, Room
from treering.kernel.points import PointsEntry
from treering.kernel.subjects import Address
from treering.views.tracking.parts import Change

POINT_BYTES = 250  # with the ids of its run and model
COLUMNS = "model_id, created_ms, updated_ms, state"
LATEST = "ORDER BY step DESC, timestamp DESC, value DESC LIMIT 1"
# Only these are an update of a logged model, as MLflow counts it.
UPDATES = (LoggedModelFinalized, LoggedModelDeleted)


class LoggedModelsPart:
    version = "1"
    kinds = frozenset({LOGGED_MODEL.kind})
    schema = """
    CREATE TABLE IF NOT EXISTS logged_models (
      workspace TEXT NOT NULL, model_id TEXT NOT NULL, experiment_id TEXT NOT NULL, name TEXT NOT NULL,
      artifact_uri TEXT NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, status TEXT NOT NULL,
      model_type TEXT NOT NULL, source_run_id TEXT NOT NULL, deleted INTEGER NOT NULL, state BLOB NOT NULL,
      PRIMARY KEY (workspace, model_id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS logged_models_experiment ON logged_models (workspace, experiment_id, created_ms);
    CREATE INDEX IF NOT EXISTS logged_models_run ON logged_models (workspace, source_run_id);
    CREATE TABLE IF NOT EXISTS logged_model_texts (
      workspace TEXT NOT NULL, model_id TEXT NOT NULL, what TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY (workspace, model_id, what, key)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS logged_model_metrics (
      workspace TEXT NOT NULL, model_id TEXT NOT NULL, key TEXT NOT NULL, step INTEGER NOT NULL,
      timestamp INTEGER NOT NULL, run_id TEXT NOT NULL, value REAL, dataset_name TEXT NOT NULL,
      dataset_digest TEXT NOT NULL,
      PRIMARY KEY (workspace, model_id, key, step, timestamp, run_id)
    ) WITHOUT ROWID;
    """

    def change(self, db: Database, change: Change) -> None:
        before = db.execute(f"SELECT {COLUMNS} FROM logged_models WHERE workspace = ? AND model_id = ?", of(change))
        row = before.fetchone()
        state = LOGGED_MODEL.fold(change.events, LOGGED_MODEL.states.decode(row["state"]) if row else None)
        created_ms = row["created_ms"] if row else change.at_ms
        updated = row is None or any(isinstance(event, UPDATES) for event in change.events)
        write(db, change.address, state, created_ms, change.at_ms if updated else row["updated_ms"])
        if not all(isinstance(event, (ArtifactLogged, ArtifactDeleted)) for event in change.events):
            write_texts(db, change.address, state)

    def points(self, db: Database, entries: Sequence[PointsEntry]) -> None:
        """The first of two points with the same metric, step, timestamp and run is kept, as in MLflow."""
        db.executemany(
            "INSERT OR IGNORE INTO logged_model_metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", metric_rows(entries)
        )


def of(change: Change) -> tuple[str, str]:
    return change.address.workspace, change.address.key


def write(db: Database, address: Address, model: LoggedModel, created_ms: int, updated_ms: int) -> None:
    spec = model.spec
    if spec is None:
        return
    values = (
        address.workspace, address.key, spec.experiment_id, spec.name, spec.artifact_uri, created_ms, updated_ms,
        model.status, spec.model_type, spec.source_run_id, model.deleted, encoder.encode(model),
    )  # fmt: skip
    db.execute("INSERT OR REPLACE INTO logged_models VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def write_texts(db: Database, address: Address, model: LoggedModel) -> None:
    """Parameters and tags again as rows, for searches."""
    key = (address.workspace, address.key)
    db.execute("DELETE FROM logged_model_texts WHERE workspace = ? AND model_id = ?", key)
    rows = [(*key, "param", name, value) for name, value in model.params.items()]
    rows += [(*key, "tag", name, value) for name, value in model.tags.items()]
    db.executemany("INSERT INTO logged_model_texts VALUES (?, ?, ?, ?, ?)", rows)


def metric_rows(entries: Sequence[PointsEntry]) -> Iterator[tuple[Any, ...]]:
    for _, workspace, points in entries:
        for run in points.runs:
            for one in run.series:
                if not one.model_id:
                    continue
                about = (one.dataset_name, one.dataset_digest)
                for value, timestamp, step in zip(one.values, one.timestamps, one.steps, strict=True):
                    yield (workspace, one.model_id, one.key, step, timestamp, run.run_id, value, *about)


class MetricRow(Struct, frozen=True):
    """One point; times are milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int
    run_id: str
    dataset_name: str
    dataset_digest: str


class LoggedModelRow(Struct, frozen=True):
    model_id: str
    created_ms: int
    updated_ms: int
    state: LoggedModel
    spec: LoggedModelSpec
    metrics: list[MetricRow]


def logged_model(db: Database, workspace: str, model_id: str, *, deleted: bool = False) -> LoggedModelRow | None:
    """A logged model with all its metric points; one that was deleted only when asked for."""
    require_complete(db, Address(workspace, LOGGED_MODEL.kind, model_id))
    sql = f"SELECT {COLUMNS} FROM logged_models WHERE workspace = ? AND model_id = ? AND deleted <= ?"
    row = db.execute(sql, (workspace, model_id, deleted)).fetchone()
    return with_metrics(db, workspace, row, Room(NO_END)) if row else None


def unknown_models(db: Database, workspace: str, model_ids: Collection[str]) -> list[str]:
    """Those of which there is no logged model, nor was one; in the order of their ids."""
    sql = "SELECT 1 FROM logged_models WHERE workspace = ? AND model_id = ?"
    absent = [one for one in sorted(model_ids) if db.execute(sql, (workspace, one)).fetchone() is None]
    return [one for one in absent if one not in incomplete_keys(db, workspace, LOGGED_MODEL.kind)]


def with_metrics(db: Database, workspace: str, row: Row, room: Room) -> LoggedModelRow:
    room.take(ROW_BYTES + 2 * len(row["state"]))
    columns = "key, value, timestamp, step, run_id, dataset_name, dataset_digest"
    sql = f"SELECT {columns} FROM logged_model_metrics WHERE workspace = ? AND model_id = ?"
    metrics = list[MetricRow]()
    for key, value, *rest in db.execute(sql, (workspace, row["model_id"])):
        room.take(POINT_BYTES + len(key))
        metrics.append(MetricRow(key, math.nan if value is None else value, *rest))
    state = LOGGED_MODEL.states.decode(row["state"])
    assert state.spec is not None  # else there would be no row
    return LoggedModelRow(row["model_id"], row["created_ms"], row["updated_ms"], state, state.spec, metrics)
