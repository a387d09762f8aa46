"""The files that the source of a model version names, whoever stored them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from anyio.to_thread import run_sync
from msgspec.structs import replace

from treering.adapters.sqlite_view import Database
from treering.adapters.trees import Manifest, TreeFile
from treering.kernel.blobs import PREFIX
from treering.kernel.subjects import Address
from treering.views.tracking.artifacts import Artifact, files_below, trees
from treering_services.gateway.core import Gateway, OpenTree
from treering_services.gateway.mlflow.artifact_paths import TREE, owned
from treering_services.gateway.mlflow.artifact_reads import source_folder
from treering_services.gateway.mlflow.artifact_trees import all_below, all_opened, parents, within


async def tree_at(gateway: Gateway, workspace: str, source: str) -> Manifest:
    """The files and empty folders that a source names, with their paths below it; none where it leads elsewhere. What a
    job left comes before what its script logged to the same path."""
    kept = await gateway.tracking.read(lambda db: kept_at(db, workspace, source))
    if kept is None:
        return Manifest(())
    trees = await all_opened(gateway, kept.trees)
    return await run_sync(together, kept, trees)


async def is_elsewhere(gateway: Gateway, workspace: str, source: str) -> bool:
    """Whether a source leads to a store that this server does not serve."""
    return await gateway.tracking.peek(lambda db: source_folder(db, workspace, source) is None)


def owner_of(db: Database, workspace: str, source: str) -> Address | None:
    """Whose artifacts a source names; None where it leads elsewhere."""
    folder = source_folder(db, workspace, source)
    return None if folder is None else owned(db, workspace, folder).owner


def together(kept: Kept, trees: Mapping[str, OpenTree]) -> Manifest:
    """What stands below the path. There may be a million files: run beside the loop."""
    start = f"{kept.path}/" if kept.path else ""
    files: dict[str, TreeFile] = {}
    folders: set[str] = set()
    for prefix, tree in trees.items():
        inner, rest = within(prefix, kept.path), within(kept.path, prefix)
        for one in all_below(tree, inner or "") if inner is not None or rest is not None else ():
            path = one[len(inner) + 1 if inner else 0 :] if inner is not None else f"{rest}/{one}".lstrip("/")
            if one.endswith("/"):
                folders |= {path.rstrip("/")} - {""}
            else:
                files[path] = replace(tree.files[one], path=path)
    logged = {file.path[len(start) :]: file for file in kept.files if file.path.startswith(start)}
    files |= {
        path: TreeFile(path, logged[path].size_bytes, logged[path].digest, False) for path in beside(files, logged)
    }
    filled = {folder for path in (*files, *folders) for folder in parents(path)} if folders else set()
    return Manifest(tuple(files[path] for path in sorted(files)), tuple(sorted(folders - filled - set(files))))


def beside(left: Collection[str], logged: Collection[str]) -> list[str]:
    """Those that a script logged and that are shown beside the files that its job left: none in the place of one of
    them, below one, or in the place of a folder that has some."""
    folders = {folder for path in left for folder in parents(path)} if logged else set()
    return [
        path
        for path in logged
        if path not in left and path not in folders and not any(above in left for above in parents(path))
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
