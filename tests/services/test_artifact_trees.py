"""What stands at a path of the trees that a job left, without a look at all their files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from treering.adapters.blobs import LocalBlobs
from treering.adapters.trees import Manifest, TreeFile, read_manifest
from treering.kernel.blobs import digest_of
from treering.kernel.turns import Turns
from treering.kernel.turnstile import Turnstile
from treering.views.tracking.artifacts import Artifact, Child
from treering_services.gateway.mlflow import artifact_trees
from treering_services.gateway.mlflow.artifact_trees import Left, all_opened, children_at, left_at, opened, ordered
from treering_services.gateway.mlflow.source_files import Kept, together

pytestmark = pytest.mark.anyio
X = digest_of(b"x")


def manifest(*paths: str) -> Manifest:
    """Of files, and of empty folders, which end with a slash."""
    files = tuple(TreeFile(path, len(path), X, False) for path in paths if not path.endswith("/"))
    return Manifest(files, tuple(path[:-1] for path in paths if path.endswith("/")))


async def gateway(tmp_path: Path, **trees: Manifest) -> tuple[Any, dict[str, str]]:
    blobs = LocalBlobs(tmp_path)
    digests = {name.replace("__", "/"): await blobs.put_bytes(msgspec.json.encode(one)) for name, one in trees.items()}
    return SimpleNamespace(blobs=blobs, trees={}, opening=Turnstile(Turns(2, "folders"))), digests


async def test_each_path_is_a_file_a_folder_or_below_a_file_or_nothing(tmp_path: Path) -> None:
    made = manifest("d/one", "d/two/deep", "d!x", "d-x", "d.x", "d0", "a")
    asked, trees = await gateway(tmp_path, outputs=made, named__net=manifest("w"), void=manifest())
    for path, expected in {
        "outputs/a": "file", "outputs/d/two/deep": "file", "outputs/a/b/c": "outputs/a", "named/net/w/x": "named/net/w",
        "outputs": "folder", "outputs/d": "folder", "outputs/d/two": "folder", "named": "folder", "": "folder",
        "outputs/no": "", "output": "", "outputs/d/tw": "", "void": "", "named/net/v": "", "nam": "",
    }.items():  # fmt: skip
        left: Left = await left_at(asked, trees, path)
        said = "file" if left.file else left.above or ("folder" if left.is_folder else "")
        assert said == expected and (left.file is None or left.file.path == path), path


async def test_a_folder_lists_its_own_children_once_whatever_sorts_between_them(tmp_path: Path) -> None:
    made = manifest("d/two/deep", "d/two/more", "d/one", "d!x", "d-x", "d.x", "d0", "d00", "é/ü")
    trees = await all_opened(*await gateway(tmp_path, outputs=made, named__net=manifest("w"), void=manifest()))
    assert sorted(children_at(trees, "")) == [Child("named", None), Child("outputs", None)]
    assert [one.name for one in children_at(trees, "outputs")] == [
        "d!x", "d-x", "d.x", "d", "d0", "d00", "é"
    ]  # fmt: skip
    assert children_at(trees, "outputs/d") == [Child("one", 5), Child("two", None)]
    assert children_at(trees, "outputs/d/one") == children_at(trees, "no") == []


async def test_empty_folders_are_listed_and_are_folders(tmp_path: Path) -> None:
    asked, digests = await gateway(tmp_path, outputs=manifest("a", "e/", "f/g/"), void=manifest("e/"))
    trees = await all_opened(asked, digests)
    assert children_at(trees, "outputs") == [Child("a", 1), Child("e", None), Child("f", None)]
    assert children_at(trees, "outputs/f") == [Child("g", None)]
    assert children_at(trees, "outputs/e") == children_at(trees, "outputs/f/g") == []
    for path in ("outputs/e", "outputs/f", "outputs/f/g", "void", "void/e"):
        assert (await left_at(asked, digests, path)).is_folder, path
    assert not (await left_at(asked, digests, "outputs/g")).is_folder


def test_a_source_has_the_empty_folders_below_it() -> None:
    trees = {"outputs": ordered(manifest("d/a", "d/e/", "d/logged/", "f/"))}
    logged = [Artifact("outputs/d/logged/x", X, 1)]
    for path, expected in {
        "outputs/d": ("e",), "outputs": ("d/e", "f"), "": ("outputs/d/e", "outputs/f"), "outputs/f": (), "no": (),
    }.items():  # fmt: skip
        assert together(Kept(path, logged, {}), trees).folders == expected, path


def test_a_listing_passes_over_what_is_below_a_folder() -> None:
    class Counted(list[str]):
        looks = 0

        def __getitem__(self, at: Any) -> Any:
            Counted.looks += 1
            return super().__getitem__(at)

    tree = ordered(manifest(*(f"{folder}/{number}" for folder in "ab" for number in range(10_000))))
    counted = tree._replace(paths=Counted(tree.paths))
    assert [one.name for one in artifact_trees.children_of(counted, "")] == ["a", "b"]
    assert Counted.looks < 100


async def test_open_trees_are_bounded_by_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_trees, "FILES_KEPT_MAX", 3)
    asked, trees = await gateway(tmp_path, a=manifest("1", "2"), b=manifest("3", "4"), c=manifest("5"))
    for digest in trees.values():
        await opened(asked, digest)
    assert list(asked.trees) == [trees["b"], trees["c"]]


async def test_a_tree_that_many_ask_for_at_once_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    async def counted(blobs: LocalBlobs, digest: str) -> Manifest:
        read.append(digest)
        return await read_manifest(blobs, digest)

    monkeypatch.setattr(artifact_trees, "read_manifest", counted)
    asked, trees = await gateway(tmp_path, outputs=manifest("1", "2"))
    digest = trees["outputs"]
    found = await asyncio.gather(*(opened(asked, digest) for _ in range(8)))
    assert read == [digest] and all(one is found[0] for one in found)


def test_the_files_of_a_source_are_those_below_it_and_what_the_job_left_comes_first() -> None:
    trees = {"outputs": ordered(manifest("d/a", "d/b/c", "e")), "named/net": ordered(manifest("w"))}
    logged = [Artifact("outputs/d/a", X, 99), Artifact("outputs/d/new", X, 1), Artifact("other", X, 1)]
    for path, expected in {
        "outputs/d": {"a": 3, "b/c": 5, "new": 1},
        "named": {"net/w": 1},
        "named/net": {"w": 1},
        "": {"outputs/d/a": 3, "outputs/d/b/c": 5, "outputs/d/new": 1, "outputs/e": 1, "named/net/w": 1, "other": 1},
        "no": {},
    }.items():
        found = {file.path: file.size for file in together(Kept(path, logged, {}), trees).files}
        assert found == expected, path
