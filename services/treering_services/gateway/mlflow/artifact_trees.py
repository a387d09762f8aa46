"""The trees of files that a job left, opened for listing and reading beside what its script logged.

A tree may have a million files, and the gateway answers everybody from one thread: so no question here looks at all of
them, but for the children of a folder. They are put in order once, in a thread of its own, when a tree is opened.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from anyio.to_thread import run_sync

from treering.adapters.trees import Manifest, read_manifest
from treering.kernel.asking import asking
from treering.views.tracking.artifacts import Artifact, Child
from treering_services.gateway.core import Gateway, OpenTree

TREES_MAX = 64
FILES_KEPT_MAX = 2_000_000  # of all open trees


class Left(NamedTuple):
    """What a job left at a path: a file, or the file that the path lies below, or a folder with something in it."""

    file: Artifact | None = None
    above: str = ""
    is_folder: bool = False


async def opened(gateway: Gateway, digest: str) -> OpenTree:
    """A tree never changes, so the last few stay open. A large one takes seconds and memory to open: callers do it in
    turn, and who asks for the same one again finds it open."""
    if digest in gateway.trees:
        return gateway.trees[digest]
    caller = await gateway.opening.enter(asking.get())
    try:
        if digest not in gateway.trees:
            keep(gateway.trees, digest, await run_sync(ordered, await read_manifest(gateway.blobs, digest)))
        return gateway.trees[digest]
    finally:
        gateway.opening.leave(caller)


def keep(kept: dict[str, OpenTree], digest: str, found: OpenTree) -> None:
    while kept and (len(kept) >= TREES_MAX or files_kept(kept) + len(found.paths) > FILES_KEPT_MAX):
        del kept[next(iter(kept))]
    kept[digest] = found


async def all_opened(gateway: Gateway, trees: Mapping[str, str]) -> dict[str, OpenTree]:
    return {prefix: await opened(gateway, digest) for prefix, digest in trees.items()}


def ordered(manifest: Manifest) -> OpenTree:
    files = {file.path: file for file in manifest.files}
    return OpenTree(files, sorted([*files, *(f"{path}/" for path in manifest.folders)]))


def files_kept(kept: Mapping[str, OpenTree]) -> int:
    return sum(len(one.paths) for one in kept.values())


async def left_at(gateway: Gateway, trees: Mapping[str, str], path: str) -> Left:
    is_folder = False
    for prefix, digest in trees.items():
        tree = await opened(gateway, digest)
        inner = within(prefix, path)
        if inner is None:
            is_folder |= bool(tree.paths) and within(path, prefix) is not None
            continue
        if (file := tree.files.get(inner)) is not None:
            return Left(Artifact(path, file.digest, file.size))
        if above := next((one for one in parents(inner) if one in tree.files), ""):
            return Left(above=f"{prefix}/{above}" if prefix else above)
        is_folder |= next(all_below(tree, inner), None) is not None
    return Left(is_folder=is_folder)


def children_at(trees: Mapping[str, OpenTree], folder: str) -> list[Child]:
    """What stands directly in ``folder`` ("" is the root); of a large one nothing for the loop."""
    found: list[Child] = []
    for prefix, tree in trees.items():
        inner, rest = within(prefix, folder), within(folder, prefix)
        if inner is not None:
            found += children_of(tree, inner)
        elif rest and tree.paths:
            found.append(Child(rest.partition("/")[0], None))
    return found


def within(folder: str, path: str) -> str | None:
    """``path`` as seen from ``folder`` ("" is itself); None when it is not in it."""
    if not folder or path == folder:
        return path[len(folder) :]
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None


def parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))


def children_of(tree: OpenTree, folder: str) -> Iterator[Child]:
    """A seek for each: what is below a child folder is passed over."""
    start = f"{folder}/" if folder else ""
    at = bisect_left(tree.paths, start)
    while at < len(tree.paths) and tree.paths[at].startswith(start):
        path = tree.paths[at]
        name, slash, _ = path[len(start) :].partition("/")
        if not name:  # the folder itself, which is empty
            at += 1
            continue
        yield Child(name, None if slash else tree.files[path].size)
        at = bisect_left(tree.paths, f"{start}{name}0", at) if slash else at + 1  # "0" follows "/"


def all_below(tree: OpenTree, folder: str) -> Iterator[str]:
    """Every path below ``folder``, those of empty folders with a slash; "" is all there are."""
    start = f"{folder}/" if folder else ""
    at = bisect_left(tree.paths, start)
    while at < len(tree.paths) and tree.paths[at].startswith(start):
        yield tree.paths[at]
        at += 1
