"""Which artifacts there are: a row a file, and the trees that jobs left as a row each.

What a tree holds is in its manifest, a blob; the view keeps only where it stands, so that it can be computed again
from the log alone. The listing opens it (``treering_services.gateway.mlflow.artifact_trees``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from treering.adapters.sqlite_view import Database
from treering.domain.artifact_messages import ArtifactDeleted, ArtifactLogged
from treering.domain.job_messages import JobCanceled, JobCompleted, JobFailed
from treering.kernel.points import PointsEntry
from treering.kernel.subjects import Address
from treering.views.tracking.parts import Change

OF = "workspace = ? AND kind = ? AND owner = ?"
BELOW = f"{OF} AND path > ? AND path < ?"


class Artifact(NamedTuple):
    """A file of an owner; ``path`` is relative to the owner's artifact root."""

    path: str
    digest: str
    size_bytes: int


class Child(NamedTuple):
    """What stands in a folder; ``size_bytes`` is None of a folder."""

    name: str
    size_bytes: int | None


class ArtifactsPart:
    """The part of the tracking view that knows every owner's artifacts. A job's are those of its run."""

    version = "1"
    kinds = frozenset({"run", "logged_model", "workspace", "job"})
    schema = """
    CREATE TABLE IF NOT EXISTS artifacts (
      workspace TEXT NOT NULL, kind TEXT NOT NULL, owner TEXT NOT NULL, path TEXT NOT NULL,
      digest TEXT NOT NULL, size_bytes INTEGER NOT NULL, position INTEGER NOT NULL,
      PRIMARY KEY (workspace, kind, owner, path)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS artifact_trees (
      workspace TEXT NOT NULL, kind TEXT NOT NULL, owner TEXT NOT NULL, prefix TEXT NOT NULL, digest TEXT NOT NULL,
      PRIMARY KEY (workspace, kind, owner, prefix)
    ) WITHOUT ROWID;
    """

    def change(self, db: Database, change: Change) -> None:
        owner = change.address
        for event in change.events:
            match event:
                case ArtifactLogged():
                    log_artifact(db, owner, event, change.position)
                case ArtifactDeleted():
                    delete_artifact(db, owner, event)
                case JobCompleted() | JobFailed() | JobCanceled():
                    job_ended(db, owner._replace(kind="run"), event)
                case _:
                    pass

    def points(self, db: Database, entries: Sequence[PointsEntry]) -> None:
        pass


def log_artifact(db: Database, owner: Address, event: ArtifactLogged, position: int) -> None:
    values = (*owner, event.path, event.digest, event.size_bytes, position)
    db.execute("INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def delete_artifact(db: Database, owner: Address, event: ArtifactDeleted) -> None:
    """A file, or a folder with all that is in it: also a job's trees, when they stand in it as a whole."""
    if not event.path:
        db.execute(f"DELETE FROM artifacts WHERE {OF}", owner)
        db.execute(f"DELETE FROM artifact_trees WHERE {OF}", owner)
        return
    within = (*owner, f"{event.path}/", f"{event.path}0")
    db.execute(f"DELETE FROM artifacts WHERE {OF} AND path = ?", (*owner, event.path))
    db.execute(f"DELETE FROM artifacts WHERE {BELOW}", within)
    db.execute(f"DELETE FROM artifact_trees WHERE {OF} AND prefix = ?", (*owner, event.path))
    db.execute(f"DELETE FROM artifact_trees WHERE {OF} AND prefix > ? AND prefix < ?", within)


def job_ended(db: Database, owner: Address, event: JobCompleted | JobFailed | JobCanceled) -> None:
    """What a job left, among the artifacts of its run: laid out as ``job download`` does."""
    trees = {folder_of(name): output.digest for name, output in event.outputs.items()}
    if event.logs:
        trees[""] = event.logs  # its files are in user_logs/ already
    values = [(*owner, prefix, digest) for prefix, digest in trees.items()]
    db.executemany("INSERT OR REPLACE INTO artifact_trees VALUES (?, ?, ?, ?, ?)", values)


def folder_of(output: str) -> str:
    return "outputs" if output == "default" else f"named-outputs/{output}"


def artifact(db: Database, owner: Address, path: str) -> Artifact | None:
    found = db.execute(f"SELECT path, digest, size_bytes FROM artifacts WHERE {OF} AND path = ?", (*owner, path))
    row = found.fetchone()
    return Artifact(*row) if row else None


def file_above(db: Database, owner: Address, path: str) -> str:
    """The file that stands where ``path`` needs a folder, "" when there is none."""
    parts = path.split("/")[:-1]
    for end in range(1, len(parts) + 1):
        if artifact(db, owner, above := "/".join(parts[:end])):
            return above
    return ""


def is_folder(db: Database, owner: Address, path: str) -> bool:
    values = (*owner, f"{path}/", f"{path}0")
    return db.execute(f"SELECT 1 FROM artifacts WHERE {BELOW} LIMIT 1", values).fetchone() is not None


def files_below(db: Database, owner: Address, folder: str) -> list[Artifact]:
    """Every file below ``folder``; "" is all the owner has."""
    sql = "SELECT path, digest, size_bytes FROM artifacts WHERE"
    if not folder:
        return [Artifact(*row) for row in db.execute(f"{sql} {OF}", owner)]
    rows = db.execute(f"{sql} {BELOW}", (*owner, f"{folder}/", f"{folder}0"))
    return [Artifact(*row) for row in rows]


def trees(db: Database, owner: Address) -> dict[str, str]:
    """The digests of an owner's trees by the folder each stands in."""
    return dict(db.execute(f"SELECT prefix, digest FROM artifact_trees WHERE {OF}", owner).fetchall())


def children(db: Database, owner: Address, folder: str) -> Iterator[Child]:
    """What stands directly in ``folder`` ("" is the root): one seek a child, however much is below it."""
    start = f"{folder}/" if folder else ""
    end = f"{folder}0" if folder else "\U0010ffff"  # "0" follows "/"
    seek = start
    sql = f"SELECT path, size_bytes FROM artifacts WHERE {OF} AND path >= ? AND path < ? ORDER BY path LIMIT 1"
    while row := db.execute(sql, (*owner, seek, end)).fetchone():
        name, slash, _ = str(row["path"])[len(start) :].partition("/")
        yield Child(name, None if slash else row["size_bytes"])
        seek = f"{start}{name}0" if slash else f"{row['path']}\0"
