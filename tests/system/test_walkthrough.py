"""docs/walkthrough-audit.md is what an auditor sees: its commands are run, and their answers are those on the page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.system.page import REPOSITORY, check

NAMESPACE = ["unshare", "--map-root-user", "--mount", "--net", "true"]


def test_the_walk_of_the_auditor_is_what_really_happens(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(NAMESPACE, check=False, capture_output=True).returncode:
        pytest.skip("another machine is played by a namespace, and unshare(1) may not make one here")
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    shutil.copytree(REPOSITORY / "tools", tmp_path / "tools")
    check(REPOSITORY / "docs" / "walkthrough-audit.md", tmp_path, steps_min=25, timeout_seconds=600.0)
