"""A folder is removed whatever a job has put in it."""

from __future__ import annotations

import os
from pathlib import Path

from treering.adapters.remove_tree import remove_tree
from treering_services.executor.workplace import remove_folders


def nest(folder: Path, levels: int) -> None:
    """``levels`` folders in each other, with a file in the innermost: deeper than any path may be long."""
    folder.mkdir(exist_ok=True)
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("nested", dir_fd=here)
        inner = os.open("nested", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


def test_folders_nested_thousands_deep_are_removed(tmp_path: Path) -> None:
    nest(tmp_path / "top", 3000)
    assert remove_tree(str(tmp_path / "top"))


def test_what_links_lead_to_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("kept")
    (tmp_path / "top" / "inner").mkdir(parents=True)
    (tmp_path / "top" / "inner" / "link").symlink_to(kept)
    (tmp_path / "top" / "file").symlink_to(kept / "file")
    assert remove_tree(str(tmp_path / "top"))
    assert (kept / "file").read_text() == "kept"


def test_folders_that_were_closed_are_removed(tmp_path: Path) -> None:
    closed = tmp_path / "top" / "closed"
    (closed / "inner").mkdir(parents=True)
    (closed / "inner" / "file").touch()
    (closed / "inner").chmod(0)
    closed.chmod(0)
    assert remove_tree(str(tmp_path / "top"))


def test_a_link_in_place_of_the_folder_is_removed_itself(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "top").symlink_to(tmp_path / "kept")
    assert remove_tree(str(tmp_path / "top"))
    assert (tmp_path / "kept").is_dir()


def test_what_one_job_left_does_not_keep_the_folders_of_others(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    nest(tmp_path / "deep" / "home", 1500)
    (tmp_path / "other" / "code").mkdir(parents=True)
    remove_folders([tmp_path / "deep", tmp_path / "other"])
    assert list(tmp_path.iterdir()) == []
