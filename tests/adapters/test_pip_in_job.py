"""pip inside a job: what it installed lies over its environment, for imports and for what pip tells."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path

import pytest
from tests.adapters.local_wheels import write_wheel

from treering.adapters.pip_shim import make_shims, shim_variables


class Job:
    def __init__(self, place: Path) -> None:
        self.place = place
        venv.create(place / "env", symlinks=True)
        make_shims(place / "shims")
        self.env = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME")},
            **shim_variables(place / "shims", place / "packages", place / "env"),
            "VIRTUAL_ENV": str(place / "env"),
        }

    def run(self, program: list[str], *words: str) -> str:
        done = subprocess.run([*program, *words], env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pip(self, *words: str) -> str:
        return self.run([str(self.place / "shims" / "bin" / "pip")], *words)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Its environment has alpha 1.0 and beta 1.0, and it has installed alpha 2.0."""
    place = tmp_path_factory.mktemp("job")
    wheels = place / "wheels"
    wheels.mkdir()
    for name, version in (("alpha", "1.0"), ("alpha", "2.0"), ("beta", "1.0")):
        write_wheel(wheels, name, version)
    made = Job(place)
    local = ["--no-index", "--find-links", str(wheels)]
    uv = [made.env["TREERING_UV"], "pip", "install", "--python", str(place / "env" / "bin" / "python")]
    made.run(uv, *local, "alpha==1.0", "beta")
    made.pip("install", "-q", *local, "alpha==2.0")
    return made


def test_a_job_imports_and_lists_what_it_installed_over_its_environment(job: Job) -> None:
    python = str(job.place / "env" / "bin" / "python")
    assert job.run([python, "-c", "import alpha, beta; print(alpha.VERSION, beta.VERSION)"]) == "2.0 1.0\n"
    for pip in ([str(job.place / "shims" / "bin" / "pip")], [python, "-m", "pip"]):
        assert job.run(pip, "freeze").splitlines() == ["alpha==2.0", "beta==1.0"]
        assert job.run(pip, "list", "--format=freeze").splitlines() == ["alpha==2.0", "beta==1.0"]
        assert [one["version"] for one in json.loads(job.run(pip, "list", "--format", "json"))] == ["2.0", "1.0"]
        assert job.run(pip, "list").splitlines()[2:] == ["alpha   2.0", "beta    1.0"]


def test_each_package_is_shown_from_where_it_is_imported(job: Job) -> None:
    shown = job.pip("show", "alpha", "beta")
    assert [line for line in shown.splitlines() if line.startswith("Version")] == ["Version: 2.0", "Version: 1.0"]


def test_a_folder_that_the_job_names_is_where_it_installs(job: Job) -> None:
    local = ["--no-index", "--find-links", str(job.place / "wheels")]
    job.pip("install", "-q", *local, "--target", str(job.place / "lib"), "beta")
    assert (job.place / "lib" / "beta.py").exists()


def test_what_would_change_the_environment_is_refused_in_words(job: Job) -> None:
    done = subprocess.run(
        [job.place / "shims" / "bin" / "pip", "uninstall", "beta"], env=job.env, capture_output=True, text=True
    )
    assert done.returncode == 1 and "the environment is read-only" in done.stderr


def test_a_virtual_environment_that_a_job_makes_has_its_own_pip(job: Job) -> None:
    own = job.place / "own"
    job.run([str(job.place / "env" / "bin" / "python"), "-m", "venv", str(own)])
    local = ["--no-index", "--find-links", str(job.place / "wheels")]
    for pip in ([str(own / "bin" / "pip")], [str(own / "bin" / "python"), "-m", "pip"]):
        job.run(pip, "install", "-q", "--force-reinstall", *local, "beta")
        assert f"Location: {own}/lib" in job.run(pip, "show", "beta")
