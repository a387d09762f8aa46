"""What stands in the folder that treering is started in is never imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["random", "secrets", "nt", "asyncio", "treering_services"])
def test_a_module_in_the_working_folder_is_not_imported(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working folder')")
    treering = Path(sys.executable).with_name("treering")
    done = subprocess.run([treering, "up", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "--port" in done.stdout, done.stderr
