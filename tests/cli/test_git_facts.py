"""What is noted of the commit that a job's code is at."""

from __future__ import annotations

import subprocess
from pathlib import Path

from treering.adapters.git_facts import git_facts, without_password


def test_code_that_changed_after_its_commit_is_dirty(tmp_path: Path) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    (tmp_path / "a.py").write_text("1")
    for arguments in (("init", "-b", "trunk"), ("add", "."), (*identity, "commit", "-m", "one")):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)
    clean = git_facts(tmp_path)
    (tmp_path / "a.py").write_text("2")
    assert (clean["branch"], clean["dirty"], len(clean["commit"])) == ("trunk", "false", 40)
    assert git_facts(tmp_path / "a.py") == {**clean, "dirty": "true"}


def test_a_folder_outside_any_repository_has_no_git_facts(tmp_path: Path) -> None:
    assert git_facts(tmp_path) == {}


def test_the_password_of_a_repository_is_not_kept() -> None:
    assert without_password("https://me:secret@host/x.git") == "https://host/x.git"
    assert without_password("git@host:x.git") == "git@host:x.git"
