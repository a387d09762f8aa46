"""The wheel that a user installs starts: its console script, its services, and files it needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_installed_console_script_runs_from_a_built_wheel(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("treering-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "treering/py.typed" in names and "treering_services/__main__.py" in names
    # Dependencies come from this environment; only treering itself is installed anew.
    run(sys.executable, "-m", "venv", "--system-site-packages", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", "--force-reinstall", wheel, cwd=tmp_path)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    where = run(python, "-c", "import treering; print(treering.__file__)", cwd=tmp_path)
    assert str(site) in where
    script = tmp_path / "venv" / "bin" / "treering"
    assert "job" in run(script, "--help", cwd=tmp_path)
    assert "--port" in run(script, "up", "--help", cwd=tmp_path)
    assert "--port" in run(python, "-m", "treering_services", "up", "--help", cwd=tmp_path)
