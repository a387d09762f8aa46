"""Experiments by the number MLflow's clients know them by, and by name.

The number of an experiment is how many were made before it; the Default of the workspace main has the 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from treering.adapters.incomplete import incomplete_subjects, is_complete, require_complete
from treering.adapters.sqlite_view import Database
from treering.domain.experiment import EXPERIMENT
from treering.domain.experiment_messages import (
    ExperimentArchived,
    ExperimentCreated,
    ExperimentRenamed,
    ExperimentRestored,
    ExperimentTagDeleted,
    ExperimentTagsSet,
    ExperimentUpdated,
)
from treering.kernel.bounds import Name, Text
from treering.kernel.pages import PART_BYTES, ROW_BYTES, Room, page_of
from treering.kernel.points import PointsEntry
from treering.kernel.subjects import Address
from treering.views.tracking.parts import Change

ACTIVE, DELETED = 0, 1
STAGES = ("active", "deleted")
DEFAULT = ("main", "Default")  # has the id 0: MLflow's clients log there when nobody names an experiment
ARTIFACTS = "mlflow-artifacts:"
MARKS_MAX = 500  # parameters of one statement


class KeyValue(Struct, frozen=True):
    """Of a request, what is not said is empty."""

    key: Name = ""
    value: Text = ""


class ExperimentRow(Struct, frozen=True, omit_defaults=True):
    """An experiment in the shape of MLflow's API."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    last_update_time: int
    creation_time: int
    tags: list[KeyValue] = []


class Place(NamedTuple):
    """Where the runs of an experiment belong, and where their artifacts go."""

    id: int
    location: str


class ExperimentsPart:
    version = "1"
    kinds = frozenset({"experiment"})
    schema = """
    CREATE TABLE IF NOT EXISTS experiments (
      id INTEGER PRIMARY KEY, workspace TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
      lifecycle INTEGER NOT NULL, artifact_location TEXT NOT NULL,
      creation_time INTEGER NOT NULL, last_update_time INTEGER NOT NULL,
      UNIQUE (workspace, key)
    );
    CREATE INDEX IF NOT EXISTS experiments_name ON experiments (workspace, name);
    CREATE TABLE IF NOT EXISTS experiment_tags (
      experiment INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (experiment, key)
    ) WITHOUT ROWID;
    """

    def change(self, db: Database, change: Change) -> None:
        for event in change.events:
            if isinstance(event, ExperimentCreated):
                create(db, change, event)
            elif (id := id_of_key(db, change.address.workspace, change.address.key)) is not None:
                alter(db, id, event)
                db.execute("UPDATE experiments SET last_update_time = ? WHERE id = ?", (change.at_ms, id))

    def points(self, db: Database, entries: Sequence[PointsEntry]) -> None:
        """Metric points say nothing about experiments."""


def create(db: Database, change: Change, event: ExperimentCreated) -> None:
    workspace, _, key = change.address
    # Counted in the order of the log: whoever computes the view again comes to the same numbers.
    id = 0 if (workspace, key) == DEFAULT else last_id(db) + 1
    location = event.artifact_location or f"{ARTIFACTS}/{id}"
    db.execute(
        "INSERT INTO experiments VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (id, workspace, key, event.name or key, ACTIVE, location, change.at_ms, change.at_ms),
    )
    set_tags(db, id, event.tags)


def last_id(db: Database) -> int:
    return int(db.execute("SELECT coalesce(max(id), 0) FROM experiments").fetchone()[0])


def alter(db: Database, id: int, event: Any) -> None:
    match event:
        case ExperimentRenamed():
            db.execute("UPDATE experiments SET name = ? WHERE id = ?", (event.name, id))
        case ExperimentArchived() | ExperimentRestored():
            lifecycle = DELETED if isinstance(event, ExperimentArchived) else ACTIVE
            db.execute("UPDATE experiments SET lifecycle = ? WHERE id = ?", (lifecycle, id))
        case ExperimentTagsSet():
            set_tags(db, id, event.tags)
        case ExperimentTagDeleted():
            db.execute("DELETE FROM experiment_tags WHERE experiment = ? AND key = ?", (id, event.key))
        case ExperimentUpdated() if event.tags is not None:
            db.execute("DELETE FROM experiment_tags WHERE experiment = ?", (id,))
            set_tags(db, id, event.tags)
        case _:
            pass  # who holds a name is not shown


def set_tags(db: Database, id: int, tags: dict[str, str]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO experiment_tags VALUES (?, ?, ?)", [(id, key, value) for key, value in tags.items()]
    )


def id_of_key(db: Database, workspace: str, key: str) -> int | None:
    row = db.execute("SELECT id FROM experiments WHERE workspace = ? AND key = ?", (workspace, key)).fetchone()
    return None if row is None else int(row[0])


def key_of_id(db: Database, workspace: str, id: int) -> tuple[str, int] | None:
    """The key of an experiment and its lifecycle; in a workspace other than main, 0 is its own Default."""
    sql = "SELECT key, lifecycle FROM experiments WHERE workspace = ? AND "
    found = db.execute(sql + "id = ?", (workspace, id)).fetchone()
    if found is None and id == 0:
        found = db.execute(sql + "key = ?", (workspace, DEFAULT[1])).fetchone()
    if found is not None:
        require_complete(db, Address(workspace, EXPERIMENT.kind, found[0]))
    return None if found is None else (found[0], found[1])


def place_of(db: Database, workspace: str, key: str) -> Place:
    sql = "SELECT id, artifact_location FROM experiments WHERE workspace = ? AND key = ?"
    return Place(*db.execute(sql, (workspace, key)).fetchone())


def experiment(db: Database, workspace: str, id: int) -> ExperimentRow | None:
    found = key_of_id(db, workspace, id)
    return experiment_of_key(db, workspace, found[0]) if found else None


def experiment_of_key(db: Database, workspace: str, key: str) -> ExperimentRow | None:
    require_complete(db, Address(workspace, EXPERIMENT.kind, key))
    id = id_of_key(db, workspace, key)
    return None if id is None else experiments_of(db, [id])[0][0]


def experiment_named(db: Database, workspace: str, name: str) -> ExperimentRow | None:
    row = db.execute("SELECT key FROM experiments WHERE workspace = ? AND name = ?", (workspace, name)).fetchone()
    return None if row is None else experiment_of_key(db, workspace, row[0])


def experiments_of(db: Database, ids: Sequence[int]) -> tuple[list[ExperimentRow], int]:
    """A page of the experiments with these ids, in their order, without those that cannot be shown; and of how many of
    the ids it is."""
    gone = incomplete_subjects(db)

    def load(some: Sequence[int], room: Room) -> list[ExperimentRow]:
        room.take(ROW_BYTES * len(some))
        marks = ", ".join("?" * len(some))
        tags: dict[int, list[KeyValue]] = {}
        found: dict[int, ExperimentRow] = {}
        for id, key, value in db.execute(f"SELECT * FROM experiment_tags WHERE experiment IN ({marks})", some):
            room.take(PART_BYTES + len(key) + len(value))
            tags.setdefault(id, []).append(KeyValue(key, value))
        for row in db.execute(f"SELECT * FROM experiments WHERE id IN ({marks})", some):
            if not is_complete(gone, Address(row["workspace"], EXPERIMENT.kind, row["key"])):
                continue
            found[row["id"]] = ExperimentRow(
                str(row["id"]), row["name"], row["artifact_location"], STAGES[row["lifecycle"]],
                row["last_update_time"], row["creation_time"], tags.get(row["id"], []),
            )  # fmt: skip
        return [found[id] for id in some if id in found]

    return page_of(ids, load, at_once=MARKS_MAX)
