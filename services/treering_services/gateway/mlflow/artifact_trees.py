"""The trees of files that a job left, opened for listing and reading beside what its script logged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from treering.adapters.trees import Manifest, read_manifest
from treering.views.tracking.artifacts import Artifact, Child
from treering_services.gateway.core import Gateway

MANIFESTS_MAX = 64


async def manifest(gateway: Gateway, digest: str) -> Manifest:
    """A manifest never changes, so the last few stay open."""
    kept = gateway.manifests
    if digest not in kept:
        if len(kept) >= MANIFESTS_MAX:
            del kept[next(iter(kept))]
        kept[digest] = await read_manifest(gateway.blobs, digest)
    return kept[digest]


async def files_of(gateway: Gateway, trees: Mapping[str, str]) -> list[Artifact]:
    """Every file of the trees, with its path among the owner's artifacts."""
    found: list[Artifact] = []
    for prefix, digest in trees.items():
        for file in (await manifest(gateway, digest)).files:
            found.append(Artifact(f"{prefix}/{file.path}" if prefix else file.path, file.digest, file.size))
    return found


def children_of(files: list[Artifact], folder: str) -> Iterator[Child]:
    """What stands directly in ``folder`` ("" is the root); a folder once for each file below it."""
    start = f"{folder}/" if folder else ""
    for file in files:
        if file.path.startswith(start):
            name, slash, _ = file.path[len(start) :].partition("/")
            yield Child(name, None if slash else file.size_bytes)
