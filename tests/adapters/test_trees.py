"""Folders as trees of blobs: what goes in, what comes out, and what is kept out."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest

from treering.adapters import trees
from treering.adapters.blobs import LocalBlobs
from treering.adapters.folders import Found, scan
from treering.adapters.gaps import LeaveOut
from treering.adapters.trees import Limits, Manifest, TreeFile, materialise, put_tree, read_manifest
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
    return [found.path for found in scan(folder, ignore).files]


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


async def test_empty_folders_come_back_and_a_tree_without_any_is_written_as_ever(
    blobs: LocalBlobs, folder: Path, tmp_path: Path
) -> None:
    before = await put_tree(blobs, folder, ignore=False)
    assert "folders" not in (await read_all(blobs, before.digest)).decode()
    for name in ("empty/inner", "deep/none"):
        (folder / name).mkdir(parents=True)
    (folder / "again").symlink_to("empty")
    tree = await put_tree(blobs, folder, ignore=False)
    await materialise(blobs, tree.digest, tmp_path / "out", writable=False)
    assert all((tmp_path / "out" / name).is_dir() for name in ("empty/inner", "deep/none", "again/inner"))
    assert (tree.files, tree.digest == before.digest) == (3, False)


async def test_a_folder_of_ignored_code_is_not_an_empty_one(blobs: LocalBlobs, folder: Path) -> None:
    (folder / ".amlignore").write_text("*.csv\n.amlignore\n")
    (folder / "logs").mkdir()
    assert scan(folder).folders == ["logs"]


async def read_all(blobs: LocalBlobs, digest: str) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(digest)])


@pytest.mark.parametrize("folders", [("../x",), ("a", "a"), ("f",), ("f/x",), ("",), ("a//b",)])
async def test_a_manifest_with_a_bad_folder_is_refused(blobs: LocalBlobs, folders: tuple[str, ...]) -> None:
    manifest = Manifest((TreeFile("f", 0, await blobs.put_bytes(b""), False),), folders)
    digest = await blobs.put_bytes(msgspec.json.encode(manifest))
    with pytest.raises(Refused, match=r"path\.unsafe|tree\.malformed"):
        await read_manifest(blobs, digest)


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


async def test_read_only_files_are_no_links_to_blobs(blobs: LocalBlobs, folder: Path, tmp_path: Path) -> None:
    tree = await put_tree(blobs, folder)
    manifest = await materialise(blobs, tree.digest, tmp_path / "out", writable=False)
    for file in manifest.files:
        laid = tmp_path / "out" / file.path
        assert not laid.samefile(blobs.path_of(file.digest)) and laid.stat().st_nlink == 1
    assert [mode(tmp_path / "out" / name) for name in ("main.py", "run.sh")] == [0o444, 0o555]


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

    def then_changed(found: Sequence[Found], leave_out: LeaveOut) -> list[TreeFile]:
        files = hashed(found, leave_out)
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


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        ("deep/\n!deep/er/data.csv\n", ["deep/er/data.csv", "main.py", "run.sh"]),
        ("*\n!*.csv\n", ["deep/er/data.csv"]),
        ("deep/**\n!deep/er/\n", ["deep/er/data.csv", "main.py", "run.sh"]),
        ("!deep/er/data.csv\ndeep/\n", ["main.py", "run.sh"]),
        ("*\n!*.py\n!*.csv\ndeep/er/\n", ["main.py"]),
    ],
)
def test_a_later_pattern_takes_back_what_lies_in_an_ignored_folder(
    folder: Path, patterns: str, taken: list[str]
) -> None:
    """As azure-ai-ml 1.35.2 does it; git does not look into a folder that is ignored."""
    (folder / ".amlignore").write_text(patterns)
    assert [path for path in paths(folder) if path != ".amlignore"] == taken


def test_an_ignored_folder_that_nothing_takes_back_is_not_looked_into(folder: Path) -> None:
    (folder / "heavy").mkdir()
    os.mkfifo(folder / "heavy" / "pipe")
    (folder / "link").symlink_to("/")
    (folder / ".amlignore").write_text("!*.py\nheavy/\nlink/\n")
    assert paths(folder) == [".amlignore", "deep/er/data.csv", "main.py", "run.sh"]


def test_git_and_bytecode_are_left_out_of_code_and_no_data(folder: Path) -> None:
    for name in (".git", "deep/__pycache__"):
        (folder / name).mkdir()
        (folder / name / "x").touch()
    assert paths(folder) == ["deep/er/data.csv", "main.py", "run.sh"]
    assert paths(folder, ignore=False) == [".git/x", "deep/__pycache__/x", "deep/er/data.csv", "main.py", "run.sh"]


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


def test_what_a_link_leads_to_outside_the_folder_is_neither_looked_at_nor_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "way").symlink_to("secret/absent")
    for text in ("/proc/self/cwd", "/proc/self/environ", "../way", str(tmp_path / "absent")):
        (folder / "link").symlink_to(text)
        with pytest.raises(Refused) as refused:
            scan(folder, ignore=False)
        assert f"leads out of the folder: it says {text!r};" in refused.value.detail
        (folder / "link").unlink()


def test_a_link_may_lead_through_other_links_of_its_folder_and_name_it_from_the_root(folder: Path) -> None:
    (folder / "one").symlink_to(folder / "deep")
    (folder / "deep" / "two").symlink_to("../one/er/../er/data.csv")
    assert paths(folder) == ["deep/er/data.csv", "deep/two", "main.py", "one/er/data.csv", "one/two", "run.sh"]


def test_an_ignored_link_may_lead_anywhere(folder: Path) -> None:
    (folder / "link").symlink_to("/")
    for pattern in ("link\n", "link/\n"):
        (folder / ".amlignore").write_text(pattern)
        assert "link" not in paths(folder)


def test_a_pipe_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(Refused, match=r"tree\.special_file.*'pipe' is a FIFO.*name it in \.amlignore"):
        scan(folder)


def test_where_no_ignore_file_is_read_none_is_advised(folder: Path) -> None:
    """As in the outputs of a job."""
    with pytest.raises(Refused, match=r"tree\.too_many_files") as many:
        scan(folder, ignore=False, entries_max=0)
    os.mkfifo(folder / "pipe")
    with pytest.raises(Refused, match=r"tree\.special_file.*is a FIFO") as special:
        scan(folder, ignore=False)
    assert not [one for one in (many, special) if "amlignore" in one.value.detail]


async def test_holes_that_the_disk_has_no_room_for_are_refused_before_anything_is_read(
    blobs: LocalBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "sparse").open("wb") as file:
        file.truncate(1 << 39)
    monkeypatch.setattr(trees, "hashed", None)
    with pytest.raises(Refused, match=r"tree\.too_large.*sparse files.*room for 1000000"):
        await put_tree(blobs, folder, ignore=False, limits=Limits(holes_bytes_max=1_000_000))


async def test_a_file_with_many_hard_links_is_read_once(
    blobs: LocalBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        os.link(folder / "main.py", folder / f"link{number}.py")
    read, real = list[Path](), trees.measured

    def noted(path: Path) -> tuple[int, str]:
        read.append(path)
        return real(path)

    monkeypatch.setattr(trees, "measured", noted)
    tree = await put_tree(blobs, folder, ignore=False)
    assert tree.files == len(read) + 5


async def test_too_many_files_are_refused(blobs: LocalBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "scan", partial(scan, entries_max=2))
    with pytest.raises(Refused, match=r"tree\.too_many_files.*more than 2 files"):
        await put_tree(blobs, folder)


async def test_too_many_bytes_are_refused_before_anything_is_stored(blobs: LocalBlobs, folder: Path) -> None:
    with pytest.raises(Refused, match=r"tree\.too_large.*29 bytes, at most 28"):
        await put_tree(blobs, folder, limits=Limits(bytes_max=28))
    assert not (blobs.root / "sha256").exists()
