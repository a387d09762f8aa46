"""The tables of the runs, and how a row comes into them.

The ``number`` of a run is the position of its first commit. ``lifecycle`` is what MLflow shows: a run is deleted
when it was, or when its experiment was. ``logged`` is 0 for the run of a job until something is logged to it.
Parameters and tags repeat the experiment, for the indices of the search.
"""

from __future__ import annotations

from collections.abc import Mapping

from treering.adapters.incomplete import require_complete
from treering.adapters.sqlite_view import Database
from treering.domain.experiment import EXPERIMENT
from treering.kernel.subjects import Address
from treering.views.tracking.experiments import ACTIVE
from treering.views.tracking.parts import Change

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
  number INTEGER PRIMARY KEY, workspace TEXT NOT NULL, run_id TEXT NOT NULL, experiment INTEGER NOT NULL,
  name TEXT NOT NULL, user TEXT NOT NULL, status TEXT NOT NULL, start_time INTEGER NOT NULL, end_time INTEGER,
  deleted INTEGER NOT NULL, lifecycle INTEGER NOT NULL, of_job INTEGER NOT NULL, logged INTEGER NOT NULL,
  created_by TEXT NOT NULL, UNIQUE (workspace, run_id)
);
CREATE INDEX IF NOT EXISTS runs_newest ON runs (experiment, lifecycle, start_time DESC, run_id);
CREATE TABLE IF NOT EXISTS run_params (
  run INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, experiment INTEGER NOT NULL, PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_params_value ON run_params (experiment, key, value);
CREATE TABLE IF NOT EXISTS run_tags (
  run INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, experiment INTEGER NOT NULL, PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_tags_value ON run_tags (experiment, key, value);
CREATE TABLE IF NOT EXISTS run_datasets (
  run INTEGER NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, context TEXT, experiment INTEGER NOT NULL,
  dataset BLOB NOT NULL, PRIMARY KEY (run, name, digest)
);
CREATE INDEX IF NOT EXISTS run_datasets_experiment ON run_datasets (experiment, name, digest, context);
CREATE TABLE IF NOT EXISTS run_models (
  run INTEGER NOT NULL, output INTEGER NOT NULL, model_id TEXT NOT NULL, step INTEGER NOT NULL,
  PRIMARY KEY (run, output, model_id, step)
) WITHOUT ROWID;
"""


def add_run(
    db: Database, change: Change, experiment_key: str, name: str, user: str, status: str, start_time: int, *,
    of_job: bool,
) -> tuple[int, int]:  # fmt: skip
    """The number and the experiment of a run that is new with this change."""
    workspace, _, key = change.address
    found = db.execute(
        "SELECT id, lifecycle FROM experiments WHERE workspace = ? AND key = ?", (workspace, experiment_key)
    ).fetchone()
    if found is None:  # as it was before it came, unless it cannot be shown: then neither can its runs
        require_complete(db, Address(workspace, EXPERIMENT.kind, experiment_key))
    experiment, lifecycle = found or (0, ACTIVE)
    db.execute(
        f"INSERT INTO runs VALUES ({', '.join('?' * 14)})",
        (change.position, workspace, key, experiment, name, user, status, start_time, None, 0, lifecycle, of_job,
         not of_job, change.commit.actor),
    )  # fmt: skip
    return change.position, experiment


def set_params(db: Database, number: int, experiment: int, params: Mapping[str, str]) -> None:
    """What the script logs takes the place of what its job's inputs said; the run sees to it that it logs it once."""
    rows = [(number, key, value, experiment) for key, value in params.items()]
    db.executemany("INSERT OR REPLACE INTO run_params VALUES (?, ?, ?, ?)", rows)


def set_tags(db: Database, number: int, experiment: int, tags: Mapping[str, str]) -> None:
    rows = [(number, key, value, experiment) for key, value in tags.items()]
    db.executemany("INSERT OR REPLACE INTO run_tags VALUES (?, ?, ?, ?)", rows)


def number_of(db: Database, workspace: str, run_id: str) -> tuple[int, int] | None:
    """The number and the experiment of a run."""
    sql = "SELECT number, experiment FROM runs WHERE workspace = ? AND run_id = ?"
    row = db.execute(sql, (workspace, run_id)).fetchone()
    return None if row is None else (row[0], row[1])
