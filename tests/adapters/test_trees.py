"""Folders as trees of blobs: what goes in, what comes out, and what is kept out."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from treering.adapters import trees
from treering.adapters.blobs import LocalBlobs
from treering.adapters.folders import Found, scan
from treering.adapters.trees import Manifest, TreeFile, materialise, put_tree, read_manifest
from treering.kernel.refusal import Refused
from treering.testing.blob_contract import ABSENT

pytestmark = pytest.mark.anyio


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "main.py").write_text("print('hello')\n")
    (folder / "deep" / "er" / "data.csv").write_text("a,b\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def paths(folder: Path, ignore: bool = True) -> list[str]:
    return [found.path for found in scan(folder, ignore)]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_folder_comes_back_as_it_was(blobs: LocalBlobs, folder: Path, tmp_path: Path) -> None:
    tree = await put_tree(blobs, folder)
    await materialise(blobs, tree.digest, tmp_path / "out", writable=True)
    assert (tree.files, tree.size_bytes) == (3, 15 + 4 + 10)
    assert (tmp_path / "out" / "deep" / "er" / "data.csv").read_text() == "a,b\n"
    assert [mode(tmp_path / "out" / name) for name in ("main.py", "run.sh")] == [0o644, 0o755]


async def test_the_same_folder_has_the_same_digest(blobs: LocalBlobs, folder: Path) -> None:
    assert await put_tree(blobs, folder) == await put_tree(blobs, folder)


async def test_a_changed_file_changes_the_digest(blobs: LocalBlobs, folder: Path) -> None:
    before = await put_tree(blobs, folder)
    (folder / "main.py").write_text("print('hullo')\n")
    assert (await put_tree(blobs, folder)).digest != before.digest


async def test_one_file_is_a_tree_of_one(blobs: LocalBlobs, folder: Path) -> None:
    tree = await put_tree(blobs, folder / "main.py")
    assert [file.path for file in (await read_manifest(blobs, tree.digest)).files] == ["main.py"]


async def test_writing_into_a_writable_copy_leaves_the_blob(blobs: LocalBlobs, folder: Path, tmp_path: Path) -> None:
    tree = await put_tree(blobs, folder)
    manifest = await materialise(blobs, tree.digest, tmp_path / "out", writable=True)
    (tmp_path / "out" / "main.py").write_text("changed")
    main = next(file for file in manifest.files if file.path == "main.py")
    assert blobs.path_of(main.digest).read_text() == "print('hello')\n"


async def test_read_only_files_are_links_unless_root_runs_the_jobs(
    blobs: LocalBlobs, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = await put_tree(blobs, folder)
    for user, links in ((1000, 2), (0, 1)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        out = tmp_path / f"out-{user}"
        await materialise(blobs, tree.digest, out, writable=False)
        assert (out / "main.py").stat().st_nlink == links
        assert [mode(out / name) for name in ("main.py", "run.sh")] == [0o444, 0o555]


async def test_a_destination_with_something_in_it_is_refused(blobs: LocalBlobs, folder: Path) -> None:
    tree = await put_tree(blobs, folder)
    with pytest.raises(Refused, match=r"tree\.destination"):
        await materialise(blobs, tree.digest, folder, writable=True)


@pytest.mark.parametrize("path", ["../evil", "/etc/passwd", "a/../../b", "a//b", "", "a\\b", "%2e%2e/x", "./a"])
async def test_a_manifest_with_a_bad_path_is_refused(blobs: LocalBlobs, tmp_path: Path, path: str) -> None:
    manifest = Manifest((TreeFile(path, 0, await blobs.put_bytes(b""), False),))
    digest = await blobs.put_bytes(msgspec.json.encode(manifest))
    with pytest.raises(Refused, match=r"path\.unsafe|tree\.malformed"):
        await materialise(blobs, digest, tmp_path / "out", writable=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/b")])
async def test_a_manifest_that_says_two_things_of_a_path_is_refused(blobs: LocalBlobs, names: tuple[str, ...]) -> None:
    empty = await blobs.put_bytes(b"")
    manifest = Manifest(tuple(TreeFile(name, 0, empty, False) for name in names))
    digest = await blobs.put_bytes(msgspec.json.encode(manifest))
    with pytest.raises(Refused, match=r"tree\.malformed"):
        await read_manifest(blobs, digest)


async def test_a_blob_that_is_no_manifest_is_refused(blobs: LocalBlobs) -> None:
    digest = await blobs.put_bytes(b"[" * 100_000)
    with pytest.raises(Refused, match=r"tree\.malformed"):
        await read_manifest(blobs, digest)


async def test_a_file_that_changes_while_it_is_read_is_refused(
    blobs: LocalBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = trees.hashed

    def then_changed(found: Sequence[Found]) -> list[TreeFile]:
        files = hashed(found)
        (folder / "main.py").write_text("print('hullo')\n")
        return files

    monkeypatch.setattr(trees, "hashed", then_changed)
    with pytest.raises(Refused, match=r"tree\.changed"):
        await put_tree(blobs, folder)


async def test_an_absent_tree_or_member_is_refused(blobs: LocalBlobs, tmp_path: Path) -> None:
    digest = await blobs.put_bytes(msgspec.json.encode(Manifest((TreeFile("a", 0, ABSENT, False),))))
    for one in (ABSENT, digest):
        with pytest.raises(Refused, match=r"blob\.absent"):
            await materialise(blobs, one, tmp_path / "out", writable=False)


def test_gitignore_leaves_files_out(folder: Path) -> None:
    (folder / ".gitignore").write_text("*.csv\n")
    assert paths(folder) == [".gitignore", "main.py", "run.sh"]
    assert "deep/er/data.csv" in paths(folder, ignore=False)


def test_amlignore_beats_gitignore(folder: Path) -> None:
    (folder / ".gitignore").write_text("*\n")
    (folder / ".amlignore").write_text("*\n!*.py\n")
    assert paths(folder) == ["main.py"]


def test_what_lies_in_an_ignored_folder_cannot_be_taken_back(folder: Path) -> None:
    (folder / ".amlignore").write_text("deep/\n!deep/er/data.csv\n")
    assert "deep/er/data.csv" not in paths(folder)


def test_git_and_bytecode_are_never_taken(folder: Path) -> None:
    for name in (".git", "deep/__pycache__"):
        (folder / name).mkdir()
        (folder / name / "x").touch()
    assert paths(folder, ignore=False) == ["deep/er/data.csv", "main.py", "run.sh"]


def test_a_link_inside_is_taken_as_what_it_leads_to(folder: Path) -> None:
    (folder / "again").symlink_to("deep/er")
    (folder / "main2.py").symlink_to("main.py")
    assert paths(folder) == ["again/data.csv", "deep/er/data.csv", "main.py", "main2.py", "run.sh"]


@pytest.mark.parametrize("target", ["/etc/hostname", "..", "../blobs", "absent", ".", "deep/../link"])
def test_a_link_that_leads_out_or_round_or_nowhere_is_refused(folder: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "blobs").mkdir()
    (folder / "link").symlink_to(target)
    with pytest.raises(Refused, match=r"tree\.symlink.*'link'"):
        scan(folder)


def test_an_ignored_link_may_lead_anywhere(folder: Path) -> None:
    (folder / "link").symlink_to("/")
    (folder / ".amlignore").write_text("link\n")
    assert "link" not in paths(folder)


def test_a_pipe_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(Refused, match=r"tree\.special_file"):
        scan(folder)


async def test_too_many_files_are_refused(blobs: LocalBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "FILES_MAX", 2)
    with pytest.raises(Refused, match=r"tree\.too_many_files.*more than 2 files"):
        await put_tree(blobs, folder)


async def test_too_many_bytes_are_refused_before_anything_is_stored(blobs: LocalBlobs, folder: Path) -> None:
    with pytest.raises(Refused, match=r"tree\.too_large.*has 29 bytes, at most 28"):
        await put_tree(blobs, folder, bytes_max=28)
    assert not (blobs.root / "sha256").exists()
