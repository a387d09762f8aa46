"""docs/proof.md says what really happens: its commands are run in a shell, and their answers are those on the page."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.system.page import REPOSITORY, check


def test_the_page_says_what_really_happens(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "tools" / "verify_proof.py", tmp_path)
    check(REPOSITORY / "docs" / "proof.md", tmp_path, steps_min=21, timeout_seconds=480.0)
