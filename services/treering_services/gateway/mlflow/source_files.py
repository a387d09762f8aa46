"""The files that the source of a model version names, whoever stored them."""

from __future__ import annotations

from typing import NamedTuple

from treering.adapters.sqlite_view import Database
from treering.adapters.trees import TreeFile
from treering.kernel.blobs import PREFIX
from treering.views.tracking.artifacts import Artifact, files_below, trees
from treering_services.gateway.core import Gateway
from treering_services.gateway.mlflow.artifact_paths import TREE, owned
from treering_services.gateway.mlflow.artifact_reads import source_folder
from treering_services.gateway.mlflow.artifact_trees import files_of


async def files_at(gateway: Gateway, workspace: str, source: str) -> list[TreeFile]:
    """The files that a source names, with their paths below it; none where it leads elsewhere."""
    kept = await gateway.tracking.read(lambda db: kept_at(db, workspace, source))
    if kept is None:
        return []
    found = {file.path: file for file in [*await files_of(gateway, kept.trees), *kept.files]}
    start = f"{kept.path}/" if kept.path else ""
    return [
        TreeFile(path[len(start) :], file.size_bytes, file.digest, False)
        for path, file in sorted(found.items())
        if path.startswith(start)
    ]


class Kept(NamedTuple):
    """What an owner has at and below ``path``: files by themselves, and trees by the folder each stands in."""

    path: str
    files: list[Artifact]
    trees: dict[str, str]


def kept_at(db: Database, workspace: str, source: str) -> Kept | None:
    folder = source_folder(db, workspace, source)
    if folder is None:
        return None
    owner, path = owned(db, workspace, folder)
    if owner.kind == TREE:
        return Kept(path, [], {"": f"{PREFIX}{owner.key}"})
    return Kept(path, files_below(db, owner, path), trees(db, owner))
