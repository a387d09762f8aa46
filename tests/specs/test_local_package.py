"""``-e .``: what the package in the code of a job needs, and where it is imported from."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.domain.job_spec import EnvironmentSpec
from treering.kernel.refusal import Refused
from treering.specs.curated import resolve_environment
from treering.specs.local_package import local_package
from treering.specs.prepared import load_job

PROJECT = """
[project]
name = "mine"
dependencies = ["numpy>=1.2"]
optional-dependencies = {train = ["pandas"]}
"""
CONFIG = "[options]\ninstall_requires =\n  numpy>=1.2\n[options.extras_require]\ntrain = pandas\n"
SETUP = "import setuptools\nsetuptools.setup(install_requires=['numpy>=1.2'], extras_require={'train': ['pandas']})\n"
DYNAMIC = '[project]\nname = "mine"\ndynamic = ["dependencies"]\n'


def job(folder: Path, environment: str) -> EnvironmentSpec:
    (folder / "job.yml").write_text(f"command: echo\ncode: src\nenvironment:\n  image: python:3.11\n  {environment}\n")
    draft = load_job(folder / "job.yml")
    found = resolve_environment(draft.environment, draft.code)
    assert isinstance(found, EnvironmentSpec)
    return found


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": PROJECT},
        {"setup.cfg": CONFIG},
        {"setup.py": SETUP},
        {"pyproject.toml": "[build-system]\nrequires = []\n", "setup.py": SETUP},
        {"pyproject.toml": DYNAMIC, "setup.cfg": CONFIG},
    ],
)
def test_what_a_package_needs_is_read_without_running_it(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert local_package(".", tmp_path, "r.txt:1").needs == ("numpy>=1.2",)
    assert local_package(".[train]", tmp_path, "r.txt:1").needs == ("numpy>=1.2", "pandas")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "there is no package"),
        ({"pyproject.toml": DYNAMIC}, "cannot be read from pyproject.toml"),
        (
            {"setup.py": "from setuptools import setup\nsetup(install_requires=open('r.txt').read())\n"},
            "without running",
        ),
        ({"setup.py": "syntax error"}, "without running"),
        ({"pyproject.toml": "[project]\ndependencies = 3\n"}, "a list of requirements is needed"),
        ({"pyproject.toml": "[project"}, "pyproject.toml"),
    ],
)
def test_what_cannot_be_known_is_refused_with_what_to_write(tmp_path: Path, files: dict[str, str], said: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(Refused, match=r"environment\.local_package: r\.txt:1: ") as refused:
        local_package(".", tmp_path, "r.txt:1")
    assert said in refused.value.detail and "write its requirements out" in refused.value.detail


def test_an_unknown_extra_and_a_folder_outside_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    for written, said in ((".[other]", "has no extra 'other'; it has train"), ("../x", "outside")):
        with pytest.raises(Refused, match=r"environment\.local_package") as refused:
            local_package(written, tmp_path, "r.txt:1")
        assert said in refused.value.detail


def test_a_package_of_the_code_is_imported_from_the_code(tmp_path: Path) -> None:
    for folder in ("src/lib/src/mine", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("src", "src/lib", "elsewhere"):
        (tmp_path / folder / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "src" / "conda.yml").write_text("dependencies: [python=3.11, {pip: ['-e .', '-e ./lib[train]']}]\n")
    (tmp_path / "src" / "Dockerfile").write_text("FROM python:3.11\nCOPY . .\nRUN pip install --no-cache-dir .\n")
    (tmp_path / "elsewhere" / "r.txt").write_text("-e .\n")
    of_conda = job(tmp_path, "conda_file: src/conda.yml")
    assert (of_conda.requirements, of_conda.modules) == (("numpy>=1.2", "pandas"), (".", "lib/src"))
    (tmp_path / "job.yml").write_text("command: echo\ncode: src\nenvironment: {build: {path: src}}\n")
    draft = load_job(tmp_path / "job.yml")
    of_docker = resolve_environment(draft.environment, draft.code)
    assert isinstance(of_docker, EnvironmentSpec) and of_docker.modules == (".",)
    with pytest.raises(Refused, match=r"environment\.local_package: .*not part of the job's code"):
        job(tmp_path, "requirements: elsewhere/r.txt")
