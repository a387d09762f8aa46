from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from treering.adapters.scratch import scratch_folder

PREFIX = ".[x]-"
MAKE_AND_WAIT = """
import sys
from pathlib import Path
from treering.adapters.scratch import scratch_folder
with scratch_folder(sys.argv[1], Path(sys.argv[2])) as folder:
    (folder / "deep" / "er").mkdir(parents=True)
    print(folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(parent: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """One that has made a folder, and the folder."""
    words = [sys.executable, "-c", MAKE_AND_WAIT, PREFIX, str(parent)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())


def test_a_folder_is_for_its_owner_only_and_gone_after_its_block_whatever_is_in_it(tmp_path: Path) -> None:
    with scratch_folder(PREFIX, tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "closed").mkdir(mode=0o000)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with another_process(tmp_path) as (process, left):
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert left.is_dir()
    with scratch_folder(PREFIX, tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_a_living_process_holds_stays(tmp_path: Path) -> None:
    with another_process(tmp_path) as (process, theirs), scratch_folder(PREFIX, tmp_path) as ours:
        assert sorted(tmp_path.iterdir()) == sorted([theirs, ours])
        process.communicate("")
    assert list(tmp_path.iterdir()) == []


def test_what_others_have_put_beside_it_stays(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "other")
    with scratch_folder(PREFIX, tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"{PREFIX}file", f"{PREFIX}link", "other"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another user")
def test_a_folder_of_another_user_stays(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}theirs").mkdir()
    os.chown(tmp_path / f"{PREFIX}theirs", 65534, 65534)
    with scratch_folder(PREFIX, tmp_path):
        pass
    assert (tmp_path / f"{PREFIX}theirs").is_dir()
