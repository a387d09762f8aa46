"""Many runs in the SQLite file of ``mlflow server``: copies of one that was made over REST, row by row.

MLflow makes 20 to 50 runs a second over REST, and takes as long to describe them: ten minutes for 10,000. What is
searched is the same, so only one is made that way. The columns are read from the file, whatever they are.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

TABLES = ("runs", "metrics", "latest_metrics", "params", "tags")
BUSY_SECONDS = 60.0


class Described(NamedTuple):
    """What the n-th run has: the values of its metric, its parameter and its tag."""

    acc: float
    lr: str
    team: str


def copy_runs(database: Path, run_id: str, copies: range, described: Callable[[int], Described]) -> None:
    """A copy of ``run_id`` for each number of ``copies``, described as the n-th run."""
    db = sqlite3.connect(database, timeout=BUSY_SECONDS)
    try:
        with db:
            for table in TABLES:
                columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
                found = db.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run_id,)).fetchall()
                rows = [dict(zip(columns, row, strict=True)) for row in found]
                made = [tuple(changed(row, n, described(n)).values()) for n in copies for row in rows]
                db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", made)
    finally:
        db.close()


def changed(row: dict[str, object], number: int, has: Described) -> dict[str, object]:
    """The row as the n-th run has it; a run's id is made from its number, so that its rows find together."""
    run_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{row['run_uuid']}/{number}").hex
    values: dict[object, object] = {"acc": has.acc, "lr": has.lr, "team": has.team}
    new = {**row, "run_uuid": run_id}
    if row.get("key") in values:
        new["value"] = values[row["key"]]
    if "artifact_uri" in row:
        new["artifact_uri"] = str(row["artifact_uri"]).replace(str(row["run_uuid"]), run_id)
    return new
